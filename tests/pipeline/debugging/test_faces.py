"""On real faces: chosen ones close the gap and loosen the relation, random ones less."""

import os
from pathlib import Path

import pytest

from filterscope.jobs.config.debug import asked_of
from filterscope.jobs.config.train import asked_of as training_of
from filterscope.jobs.runs.debug import debug
from filterscope.jobs.runs.train import train
from filterscope.pipeline.datasets.attributes import import_attributes
from filterscope.pipeline.debugging.findings import steps
from tests.audits import audit_here
from tests.planted.biased_faces import PAIR, write_biased

FACES = Path(os.environ.get("FILTERSCOPE_TEST_DATA", "nowhere")) / "faces8k"


@pytest.mark.slow
@pytest.mark.skipif(not FACES.is_dir(), reason="needs faces8k in FILTERSCOPE_TEST_DATA")
def test_fifty_chosen_faces_mend_more_than_fifty_random_ones_and_these_more_than_nothing(tmp_path):
    write_biased(FACES, tmp_path / "sources", train=1500, natural=1200)
    for name in ("biased", "natural"):
        import_attributes(tmp_path / "sources" / name, tmp_path / name)
    options = {"input_size": (52, 44), "held_out": 0.05, "epochs": 6, "attributes": (*PAIR, "Male", "Eyeglasses")}
    train(training_of("plain", tmp_path / "biased", options, seeds=1), tmp_path / "net", actors=0)
    model = {"source": f"trained:{tmp_path}/net/plain-0", "name": "net"}
    few = {
        "bias.views": 60,
        "bias.control_views": 8,
        "bias.edit_views": 0,
        "bias.pictures": 0,
        "bias.attributes": "Smiling,Black_Hair,Male",
    }
    audit_here(tmp_path / "audit", data=tmp_path / "natural", models=[model], methods="bias", store="none", **few)
    how = {"seeds": 3, "omega_views": 100, "edit_views": 0, "pair": ",".join(PAIR)}
    assert debug(asked_of(tmp_path / "audit", ["collect:50"], how), actors=0)
    rows = {
        (row["label"], row["group"], row["measure"]): row for row in steps(tmp_path / "audit").iter_rows(named=True)
    }
    total = {
        name: sum(rows[label, "contradicts", "accuracy"][name] for label in PAIR)
        for name in ("before", "control", "after")
    }
    assert total["before"] + 0.1 < total["control"] < total["after"]
    omega = rows[None, None, "omega"]
    assert omega["before"] > 0.7
    assert omega["after"] < omega["control"] < omega["before"]
