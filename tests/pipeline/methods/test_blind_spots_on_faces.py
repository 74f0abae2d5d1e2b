"""The blind spot of a network that takes smiles for black hair: a simple sort finds more of it than bandits do."""

import importlib

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from tests.audits import audit_here
from tests.planted import faces

pytestmark = pytest.mark.slow
shown = importlib.import_module("filterscope.pipeline.methods.blind_spots.findings")


@pytest.fixture(scope="module")
def hair(test_data):
    """Return which of the audited faces have black hair, bool."""
    _, names, labels = faces.labels_of(test_data / "faces8k")
    return labels[faces.LEARN :, names.index("Black_Hair")] == 1


@pytest.fixture(scope="module")
def run(test_data, tmp_path_factory):
    """Return an audit of 2,000 faces that the network has not seen."""
    from safetensors.torch import save_file

    folder, source = tmp_path_factory.mktemp("spots"), test_data / "faces8k"
    files, names, labels = faces.labels_of(source)
    save_file(faces.of_smiling(faces.tied(source), names), folder / "net.safetensors")
    faces.write_faces(folder / "data", source, files[faces.LEARN :], names, labels[faces.LEARN :])
    model = {
        "source": f"factory:tests.planted.faces:smiling@{folder / 'net.safetensors'}", "name": "net",
        "input_size": faces.SIZE, "mean": (0.5,) * 3, "std": (0.25,) * 3, "interpolation": "bilinear",
    }  # fmt: skip
    asked = {"outputs.truth": "Smiling", "blind-spots.class": "1", "blind-spots.clusters": 10}
    return audit_here(
        folder / "run", data=folder / "data", models=[model], layers="9", methods="blind-spots", store="none", **asked
    )


def test_what_is_wrong_has_black_hair(run, hair):
    members = schemas.scan_partition_members(run).filter(method="clusters").collect()
    has = hair[members["image"].to_numpy()]
    wrong = members["wrong"].to_numpy()
    assert 450 < len(members) < 750
    assert 0.04 < wrong.mean() < 0.12
    assert has[wrong].mean() > 2 * hair.mean()
    assert has[wrong].mean() > has.mean() + 0.2
    # the worst clusters have more of it than the best
    rate = members.with_columns(pl.Series("hair", has)).group_by("partition").agg(pl.col("wrong", "hair").mean())
    assert np.corrcoef(rate["wrong"], rate["hair"])[0, 1] > 0.3
    assert rate["wrong"].max() > 2 * wrong.mean()


def test_with_150_questions_a_simple_sort_finds_most(run):
    for said in shown.verdicts(run).to_dicts():
        bandits = [said[name] for name in ("uub", "ucb1", "greedy", "epsilon")]
        assert said["questions"] == 150
        assert said["verdict"] == "a simple sort wins: least confident first"
        assert said["least-confident"] > 1.3 * max(bandits)
        assert said["least-confident"] > 1.3 * said["uub"]
        assert said["least-confident"] > 1.7 * said["random"]
        assert said["random"] == pytest.approx(150 * said["unknown unknowns"] / said["views"], abs=2)
        assert max(bandits) > said["random"]
