"""The recipe `capsnet` on drawn strokes: what it learns, resumed, opened, audited."""

import importlib
from pathlib import Path

import polars as pl
import pytest
import torch

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.train import train
from filterscope.pipeline.datasets.sample.factor_sets import draw_factor_set
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.training.recipe import HELDOUT
from filterscope.pipeline.training.supervised import Supervised
from tests.audits import audit_here
from tests.jobs.runs.test_train import digests, dying_at
from tests.planted.lessons import write_lesson

findings = importlib.import_module("filterscope.pipeline.methods.codes.findings")
QUICK = {"filters": 8, "types": 2, "batch": 16, "epochs": 2, "learning_rate": 3e-3}


def trained(data: Path, out: Path, **options: object) -> Path:
    assert train(asked_of("capsnet", data, {**QUICK, **options}, seeds=1), out, actors=0)
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "strokes"
    draw_factor_set(folder, "strokes", images=120)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(data, tmp_path_factory.mktemp("run") / "run")


def test_a_training_that_is_interrupted_twice_ends_in_the_same_bits(
    data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (3, 5):
        with monkeypatch.context() as patch:
            patch.setattr(Supervised, "_update", dying_at(step))
            with pytest.raises(KeyboardInterrupt):
                trained(data, tmp_path / "run")
    assert digests(trained(data, tmp_path / "run")) == digests(run)
    then, now = (
        schemas.scan_training(folder).drop("seconds").collect().sort(pl.all()) for folder in (run, tmp_path / "run")
    )
    assert then.equals(now)


def test_the_table_tells_what_routing_selects_beside_the_coupling_of_other_classes(run: Path) -> None:
    rows = schemas.scan_training(run).filter(pl.col("epoch") == 2, split=HELDOUT).collect()
    names = {"loss", "accuracy", "reconstruction", "agreement", "agreement of others", "entropy", "top type"}
    assert set(rows["metric"]) == names
    agreement = rows.filter(metric="agreement")
    assert agreement["label"].drop_nulls().sort().to_list() == [str(number) for number in range(10)]
    labels, whole = (
        agreement.filter(pl.col("label").is_null() if none else pl.col("label").is_not_null()) for none in (False, True)
    )
    assert whole["value"].item() == pytest.approx(labels["value"].mean())
    assert whole["control"].item() == pytest.approx(labels["control"].mean())
    assert rows.filter(metric="entropy")["control"].unique().to_list() == [1.0]
    assert rows.filter(metric="reconstruction")["control"].item() > 0


def test_without_routing_the_coupling_of_other_classes_is_the_same(data: Path, tmp_path: Path) -> None:
    run = trained(data, tmp_path / "run", routing=0, epochs=1, reconstruction=0.0)
    rows = schemas.scan_training(run).filter(split=HELDOUT).collect()
    assert "reconstruction" not in set(rows["metric"])
    agreement = rows.filter(metric="agreement")
    assert agreement["value"].to_numpy() == pytest.approx(agreement["control"].to_numpy(), abs=1e-5)
    assert rows.filter(metric="entropy")["value"].to_numpy() == pytest.approx(1, abs=1e-6)


def test_the_network_opens_with_its_classes_and_is_an_encoder_and_a_decoder(run: Path) -> None:
    model = open_model(ModelSpec(f"trained:{run}/capsnet-0"))
    assert model.transform.channels == 1
    with torch.inference_mode():
        drawn = model.module.decode(torch.rand(2, 16), 3)
        assert model.module.codes(drawn).shape == (2, 10, 16)
        assert torch.allclose(model.module(drawn), model.module.codes(drawn).norm(dim=2), atol=1e-4)


@pytest.mark.slow
def test_codes_of_a_trained_network_are_audited_a_group_for_each_class(data: Path, run: Path, tmp_path: Path) -> None:
    audited = audit_here(
        tmp_path / "audit",
        data=data,
        models=[{"source": f"trained:{run}/capsnet-0"}],
        layers="features.0",
        methods="codes",
        **{"codes.images": 60, "codes.bases": 2, "codes.directions": 4, "codes.moved": 12, "codes.steps": 3},
    )
    codes = schemas.scan(audited, "codes").collect()
    assert codes["group"].n_unique() == 10
    assert codes.group_by("group").len()["len"].to_list() == [16] * 10
    assert (codes["basis"] == "intervention").all()
    routing = schemas.scan(audited, "capsule_routing").collect()
    assert routing["images"].sum() == 60
    assert routing["group"].to_list() == routing["group"].unique().sort().to_list()
    assert (routing["selected"] - (routing["agreement"] - routing["agreement_permuted"])).abs().max() < 1e-12
    assert routing["entropy"].is_between(0, 1 + 1e-9).all()
    found = findings.routing(audited)
    assert found["groups"].item() == len(routing)
    assert found["agreement"].item() == pytest.approx(routing["agreement"].mean())


def test_binary_attributes_are_no_classes(tmp_path: Path) -> None:
    lesson = write_lesson(tmp_path / "lesson")
    with pytest.raises(InputError, match="capsules learn one class of each image"):
        trained(lesson, tmp_path / "run", learn="attributes")
    with pytest.raises(InputError, match=r"--shift 30 moves images of 28 pixels out of sight"):
        trained(lesson, tmp_path / "run", shift=30)


@pytest.mark.slow
def test_strokes_are_told_and_drawn_again(tmp_path: Path) -> None:
    draw_factor_set(tmp_path / "strokes", "strokes", images=1500)
    run = trained(tmp_path / "strokes", tmp_path / "run", filters=32, types=4, batch=32, epochs=6, learning_rate=1e-3)
    rows = schemas.scan_training(run).filter(pl.col("epoch") == 6, split=HELDOUT).collect()
    assert rows.filter(metric="accuracy")["value"].item() > 0.9  # one in ten is right by chance
    drawn = rows.filter(metric="reconstruction")
    assert drawn["value"].item() < drawn["control"].item()
    agreement = rows.filter(pl.col("label").is_null(), metric="agreement")
    assert agreement["value"].item() > agreement["control"].item()
