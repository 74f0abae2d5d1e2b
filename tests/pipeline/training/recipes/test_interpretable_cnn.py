"""The recipe `interpretable-cnn`: twins on drawn animals, stopped and resumed, opened, compared; and on real ones."""

import hashlib
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.findings.twins import print_twins
from filterscope.jobs.report.pages.training import write_training
from filterscope.jobs.runs.train import train
from filterscope.pipeline.datasets.animals import import_animals
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.training import features
from filterscope.pipeline.training.filters import FilterTraining
from filterscope.pipeline.training.folder import TrainingFolder
from filterscope.pipeline.training.twins import compare_twins
from tests.planted.animals import write_animals

BASE = "torchvision:squeezenet1_1@random:0"
QUICK = {"epochs": 6, "filters": 8, "pca": 16, "batch": 8, "negatives": True}
REAL = Path(os.environ.get("FILTERSCOPE_TEST_DATA", "absent"))


def trained(data, out, *, model=BASE, layer="features.5", seeds=1, **options):
    asked = asked_of("interpretable-cnn", data, options, seeds=seeds, models=[model], layers=layer)
    return train(asked, out, actors=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_animals(tmp_path_factory.mktemp("data") / "animals")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    assert trained(data, out, **QUICK)
    return out


def digests(run):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((run / "networks").iterdir())}


def test_a_run_leaves_both_twins_with_their_tables(run):
    names = [path.stem for path in sorted((run / "networks").iterdir())]
    assert [name.partition("-")[0] for name in names] == ["interpretable", "plain"]
    filters = schemas.scan(run, "filter_categories").collect()
    assert filters.group_by("model").len()["len"].to_list() == [8, 8]
    assert set(filters["category"].drop_nulls()) <= {"red bird", "blue fish"}
    assert filters["margin"].is_between(0, 1).all()
    places = schemas.scan(run, "location_instability").collect()
    assert places.group_by("model", "category", "landmark").len()["len"].to_list() == [8] * 8
    measured = (
        schemas.scan(run, "training").filter(pl.col("split") == "heldout", pl.col("metric") == "accuracy").collect()
    )
    assert measured.group_by("model").len()["len"].to_list() == [6, 6]


def test_twins_begin_with_the_same_weights(data, tmp_path):
    begun = {}
    for variant in ("plain", "interpretable"):
        starting = FilterTraining.epoch

        def noted(self, number, random, starting=starting, variant=variant):
            begun.setdefault(self.network.mode, [value.clone() for value in self.network.filters.parameters()])
            return starting(self, number, random)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FilterTraining, "epoch", noted)
            trained(data, tmp_path / variant, **{**QUICK, "epochs": 1})
    assert all(map(torch.equal, begun["none"], begun["paper"]))


def test_a_training_that_is_stopped_ends_in_the_same_bits(data, run, tmp_path, monkeypatch):
    update, calls = FilterTraining._update, [0]

    def dies(self, *args):
        calls[0] += 1
        if calls[0] in (9, 40):
            raise KeyboardInterrupt
        return update(self, *args)

    monkeypatch.setattr(FilterTraining, "_update", dies)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            trained(data, tmp_path / "run", **QUICK)
    assert trained(data, tmp_path / "run", **QUICK)
    assert digests(tmp_path / "run") == digests(run)


def test_features_that_are_damaged_are_computed_again(data, run, tmp_path):
    out = tmp_path / "run"
    trained(data, out, **{**QUICK, "epochs": 1})
    (file,) = (out / "shared" / "features").glob("*.npy")
    before = file.read_bytes()
    file.write_bytes(before[:-4])
    (file.parent / f"{file.stem}.partial-1").touch()
    features._KEPT.clear()
    trained(data, out, seeds=2, **{**QUICK, "epochs": 1})
    assert file.read_bytes() == before
    assert not list(file.parent.glob("*.partial-*"))


def test_a_trained_twin_opens_as_the_network_that_was_trained(run, data):
    name = next(path.stem for path in (run / "networks").iterdir() if path.stem.startswith("inter"))
    model = open_model(ModelSpec(f"trained:{run}/{name}"))
    base = open_model(ModelSpec(BASE))
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = Taps(base.module, ("features.5",))(images)["features.5"]
        assert torch.allclose(model.module.maps(images), expected, atol=1e-5)
        assert model.module(images).shape == (2, 3)
    assert model.module.mode == "paper"


def test_the_comparison_is_that_of_the_tables(run):
    found = compare_twins(run)
    single = found.filter(pl.col("seed") == 0)
    for landmark in ("head", "tail"):
        row = single.filter(measure=f"tracking, {landmark}").row(0, named=True)
        for variant in ("plain", "interpretable"):
            places = schemas.scan(run, "location_instability").filter(pl.col("landmark") == landmark).collect()
            own = schemas.scan(run, "filter_categories").collect()
            mine = places.join(own, on=["model", "unit", "category"]).filter(pl.col("model").str.starts_with(variant))
            expected = mine["tracking"].drop_nulls().median()
            assert row[variant] == (None if expected is None else pytest.approx(expected))
    accuracy = single.filter(measure="accuracy").row(0, named=True)
    assert accuracy["low"] <= accuracy["interpretable"] - accuracy["plain"] <= accuracy["high"]
    assert found.filter(pl.col("seed").is_null(), pl.col("measure") == "accuracy")["plain"].to_list() == [
        accuracy["plain"]
    ]
    written = schemas.scan(run, "training_comparison").collect()
    assert written.equals(found)
    said = print_twins([run], "plain,interpretable")
    assert "interpretable-cnn on squeezenet1_1" in said
    assert "accuracy" in said


def test_the_page_of_the_training_shows_twins_and_what_filters_stand_for(run, tmp_path):
    text = write_training(TrainingFolder(run), tmp_path / "page").read_text()
    mean = compare_twins(run).filter(pl.col("seed").is_null(), pl.col("measure") == "accuracy").row(0, named=True)
    assert f"<td>{mean['plain']:.3f}</td><td>{mean['interpretable']:.3f}</td>" in text
    filters = schemas.scan(run, "filter_categories").collect()
    for (model, category), rows in filters.group_by("model", "category"):
        shown = f'<th scope="row">{model}</th><td>{category or "none"}</td><td>{len(rows)}</td>'
        assert f"{shown}<td>{rows['margin'].median():.3f}</td>" in text


def test_what_cannot_be_compared_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="there are interpretable, plain"):
        compare_twins(run, ("plain", "interpretible"))
    with pytest.raises(InputError, match="two variants"):
        print_twins([run], "plain")
    with pytest.raises(InputError):
        compare_twins(tmp_path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pca": 4000}, "at most as many"),
        ({"single": True, "negatives": False}, "takes --views objects and --negatives"),
        ({"kappa": -1.0}, "kappa"),
        ({"filters": 0}, "filters"),
    ],
)
def test_what_cannot_be_trained_is_refused(data, tmp_path, options, says):
    with pytest.raises(Exception, match=says):
        trained(data, tmp_path / "run", **{**QUICK, "epochs": 1, **options})


def test_a_backbone_that_no_name_builds_is_refused_before_features_are_computed(data, run, tmp_path):
    name = next(path.stem for path in (run / "networks").iterdir())
    with pytest.raises(Exception, match="classifiers of torchvision"):
        trained(data, tmp_path / "run", model=f"trained:{run}/{name}", layer="filters", **{**QUICK, "epochs": 1})
    assert not (tmp_path / "run" / "shared").exists()


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "animals").is_dir(), reason="needs FILTERSCOPE_TEST_DATA")
def test_on_real_animals_more_filters_follow_heads_and_accuracy_stays(tmp_path):
    """Less than half of the recipe's epochs, one seed, no mirror images; docs/interpretable-cnn.md states all of it."""
    import_animals(REAL / "animals", tmp_path / "animals", in_place=True)
    weights = f"torchvision:squeezenet1_1@{REAL}/weights/squeezenet1_1-rgb.pth"
    options = {"epochs": 10, "filters": 32, "pca": 64, "flips": False, "negatives": True, "single": True}
    trained(tmp_path / "animals", tmp_path / "run", model=weights, layer="features.12", **options)
    found = {row["measure"]: row for row in compare_twins(tmp_path / "run").filter(seed=0).iter_rows(named=True)}
    change = {name: row["interpretable"] - row["plain"] for name, row in found.items()}
    assert change["location instability, head"] < -0.015
    assert change["filters that track, head"] > 0.2
    assert change["tracking, head"] > 0.3
    assert change["accuracy"] > -0.08
    assert np.isfinite(list(change.values())).all()
