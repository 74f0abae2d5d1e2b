"""The loop on drawn faces whose curve and band are tied together: chosen images close the gap, and everything resumes."""

import hashlib
import re

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.config.debug import asked_of
from filterscope.jobs.config.train import asked_of as training_of
from filterscope.jobs.findings.debug import print_debug
from filterscope.jobs.runs.debug import debug
from filterscope.jobs.runs.train import train
from filterscope.pipeline.datasets.attributes import import_attributes
from filterscope.pipeline.debugging import trial
from filterscope.pipeline.debugging.findings import curves, steps, verdicts
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.training.fine_tune import Trained
from tests.audits import audit_here
from tests.planted.tied import PAIR, QUICK, REGIONS, write_tied

HOW = {"seeds": 2, "steps": 30, "omega_views": 60, "edit_views": 24}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a biased network and the audit of it on natural images."""
    folder = tmp_path_factory.mktemp("tied")
    for name, images, agree, seed in (("biased", 500, 0.98, 1), ("natural", 500, 0.5, 2)):
        import_attributes(write_tied(folder / f"{name}-source", images, agree, seed), folder / name)
    train(training_of("plain", folder / "biased", QUICK, seeds=1), folder / "net", actors=0)
    (folder / "regions.csv").write_text(REGIONS)
    audit_here(folder / "audit", **settings(folder))
    return folder


def settings(folder, **more):
    model = {"source": f"trained:{folder}/net/plain-0", "name": "net"}
    bias = {"bias.views": 60, "bias.control_views": 8, "bias.edit_views": 4, "bias.pictures": 0, "bias.edits": "mask"}
    regions = {"bias.regions": str(folder / "regions.csv")}
    return {"data": folder / "natural", "models": [model], "methods": "bias", "store": "none", **bias, **regions, **more}


def loop(folder, *fixes, run="audit", redo=False, labels=None, **more):
    return debug(asked_of(folder / run, fixes, {**HOW, **more}), actors=0, redo=redo, labels=labels)


@pytest.fixture(scope="module")
def mended(place):
    assert loop(place, "collect:40", "collect:80", "reweight", "paste:60", "drop:6", "last:60")
    return place / "audit"


def value(run, step, measure, label=None, group=None, column="after"):
    rows = schemas.scan_debug_steps(run).filter(pl.col("step") == step, pl.col("measure") == measure).collect()
    rows = rows.filter(pl.col("label").eq_missing(label), pl.col("group").eq_missing(group))
    return rows[column].item()


def test_chosen_images_close_the_gap_and_random_ones_less(mended):
    hard = {name: value(mended, "collect:40", "accuracy", "smiling", "contradicts", name) for name in ("before", "after", "control")}
    print(steps(mended), verdicts(mended))
    assert hard["after"] > hard["control"] > hard["before"]
