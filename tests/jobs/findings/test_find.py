"""Units by a concept, and by an image that they fire in."""

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from filterscope import schemas
from filterscope.jobs.cli.main import app
from filterscope.jobs.findings.find import find, units_for, units_in
from filterscope.pipeline.engine.errors import InputError
from tests.planted.hostile import CONCEPT


def test_units_for_a_concept_are_all_that_meet_it_best_first(hostile_run):
    found = units_for(hostile_run, CONCEPT)
    pairs = schemas.scan_unit_concept(hostile_run).filter(pl.col("concept") == CONCEPT, pl.col("iou") > 0).collect()
    assert found["iou"].to_list() == sorted(pairs["iou"], reverse=True)
    best = found.row(0, named=True)
    assert (best["unit"], best["label"], best["label_replicates"]) == (0, True, True)
    assert found.filter(~pl.col("label"))["q_value"].null_count() == found.filter(~pl.col("label")).height


def test_units_in_an_image_are_those_above_their_threshold_there(hostile_run):
    found = units_in(hostile_run, 0)
    rows = schemas.scan_unit_image(hostile_run).filter(pl.col("image") == 0).collect()
    assert set(found.select("layer", "unit").iter_rows()) == set(rows.select("layer", "unit").iter_rows())
    assert found["activated"].is_sorted(descending=True)
    assert (found["maximum"] > found["threshold"]).all()
    assert found.filter(pl.col("layer") == "1")["concept"][0] == CONCEPT


def test_find_answers_on_the_command_line(hostile_run):
    result = CliRunner().invoke(app, ["find", str(hostile_run), "--image", "0", "--format", "json", "--limit", "1"])
    assert json.loads(result.stdout)[0]["unit"] == units_in(hostile_run, 0)["unit"][0]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"concept": "wheel rims", "image": None}, "no concept 'wheel rims' .* Did you mean 'wheel rim'"),
        ({"concept": None, "image": 24}, "no image 24 .* images are 0 to 23"),
        ({"concept": None, "image": None}, "one of --concept NAME and --image NUMBER"),
        ({"concept": "grey", "image": 1}, "one of --concept NAME and --image NUMBER"),
    ],
)
def test_what_cannot_be_found_is_said(hostile_run, asked, message):
    with pytest.raises(InputError, match=message):
        find(hostile_run, **asked)
