"""The recipe `infogan`: losses against loops, resumed, opened, audited."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.train import train
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.architectures.infogan import InfoGAN
from filterscope.pipeline.models.coder import coding_of
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.training.infogan import (
    Informing,
    chance_purity,
    discriminator_loss,
    generator_loss,
    information,
    purity,
    strips,
)
from tests.audits import audit_here
from tests.planted.bars import SIDE, write_bars

QUICK = {"input_size": SIDE, "categories": 4, "uniforms": 1, "noise": 6, "width": 4, "batch": 64, "epochs": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bars(tmp_path_factory.mktemp("data") / "bars")


def trained(data: Path, out: Path, seeds: int = 1, **options: object) -> Path:
    assert train(asked_of("infogan", data, {**QUICK, **options}, seeds=seeds), out, actors=0)
    return out


@pytest.fixture(scope="module")
def judge(data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("judge") / "run"
    asked = {"input_size": SIDE, "flips": False, "epochs": 4, "batch": 32}
    assert train(asked_of("plain", data, asked, seeds=1), out, actors=0)
    return f"trained:{out}/plain-0"


@pytest.fixture(scope="module")
def run(data: Path, judge: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(data, tmp_path_factory.mktemp("run") / "run", classifier=judge)


def naive(read: list[list[float]], codes: list[list[float]], k: int) -> float:
    """Return the bound by the formula, one image after another."""
    total = 0.0
    for row, code in zip(read, codes, strict=True):
        weights = [math.exp(score) for score in row[:k]]
        total += math.log(weights[code[:k].index(1.0)] / sum(weights))
        total -= sum((mean - value) ** 2 / 2 for mean, value in zip(row[k:], code[k:], strict=False))
    return math.log(k) + total / len(read)


def test_losses_are_those_of_loops() -> None:
    rng = np.random.default_rng(3)
    real, made = rng.normal(size=(2, 9))
    sure = [1 / (1 + math.exp(-value)) for value in real], [1 / (1 + math.exp(-value)) for value in made]
    expected = -sum(map(math.log, sure[0])) / 9 - sum(math.log(1 - value) for value in sure[1]) / 9
    assert float(discriminator_loss(torch.tensor(real), torch.tensor(made))) == pytest.approx(expected, rel=1e-9)
    assert float(generator_loss(torch.tensor(made))) == pytest.approx(-sum(map(math.log, sure[1])) / 9, rel=1e-9)
    read = rng.normal(size=(9, 5))
    codes = np.concatenate([np.eye(3)[rng.integers(3, size=9)], rng.uniform(-1, 1, (9, 6))], axis=1)
    found = float(information(torch.tensor(read), torch.tensor(codes), 3))
    assert found == pytest.approx(naive(read.tolist(), codes.tolist(), 3), rel=1e-9)


def test_q_that_knows_all_has_the_entropy_of_the_categories() -> None:
    codes = torch.cat([torch.eye(4), torch.linspace(-1, 1, 4)[:, None]], 1)
    read = torch.cat([100 * codes[:, :4], codes[:, 4:]], 1)
    assert float(information(read, codes, 4)) == pytest.approx(math.log(4))


def test_purity_matches_codes_and_labels_one_to_one() -> None:
    label = np.repeat(np.arange(4), 50)
    assert purity((label + 1) % 4, label, 4, 4) == 1
    assert purity(label // 2, label, 4, 4) == 0.5  # two classes share a code, and one of them counts
    assert purity(np.zeros(200, np.int64), label, 4, 4) == 0.25
    assert 0.25 <= chance_purity(label, label, 4, 4) < 0.36


def test_the_generator_has_an_optimiser_of_its_own() -> None:
    network = InfoGAN(SIDE, 4, 1, 6, 4)
    optimised = Informing.__new__(Informing)
    optimised.network, optimised._weight, optimised.step = network, 1.0, 0
    before = {name: value.clone() for name, value in network.named_parameters()}
    seen = [*network.body.parameters(), *network.real.parameters(), *network.q.parameters()]
    optimised._seeing = torch.optim.Adam(seen, 0.0)
    optimised._making = torch.optim.Adam(network.generator.parameters(), 1e-2)
    optimised.update(torch.rand(8, 1, SIDE, SIDE))
    moved = {name.split(".")[0] for name, value in network.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"generator"}


def test_along_a_strip_one_code_changes() -> None:
    network, reads = InfoGAN(SIDE, 4, 2, 6, 4), 6
    found = list(strips(network))
    assert [name for name, _, _ in found] == ["category", "uniform 0", "uniform 1"]
    for number, (_, codes, values) in enumerate(found):
        own = list(range(4)) if number == 0 else [3 + number]
        others = [place for place in range(network.categories + 2 + 6) if place not in own]
        assert torch.equal(codes[:, :1, others].expand(-1, len(values), -1), codes[:, :, others])
        assert (codes[:, :, :4].sum(2) == 1).all()
        told = codes[:, :, :4].argmax(2) if number == 0 else codes[:, :, own[0]]
        assert torch.equal(told, torch.tensor(values).to(told).expand(len(codes), -1))
        assert codes[:, :, :reads].abs().max() <= 1


def test_weights_begin_as_in_the_release() -> None:
    torch.manual_seed(0)
    network = InfoGAN(28, 10, 2, 62, 16)
    for name, value in network.named_parameters():
        expected = (0.0, 0.0) if name.endswith("bias") else (1.0 if value.ndim == 1 else 0.0, 0.02)
        assert float(value.mean()) == pytest.approx(expected[0], abs=0.01), name
        if value.numel() > 100:
            assert float(value.std(correction=0)) == pytest.approx(expected[1], rel=0.25), name


def dying_at(step: int) -> Callable[..., object]:
    update, calls = Informing.update, [0]

    def dies(self: Informing, real: torch.Tensor) -> object:
        calls[0] += 1
        if calls[0] == step:
            raise KeyboardInterrupt
        return update(self, real)

    return dies


def test_a_training_that_is_interrupted_ends_in_the_same_bits(
    data: Path, judge: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (3, 10, 5):
        with monkeypatch.context() as patch:
            patch.setattr(Informing, "update", dying_at(step))
            with pytest.raises(KeyboardInterrupt):
                trained(data, tmp_path / "run", classifier=judge)
    trained(data, tmp_path / "run", classifier=judge)
    first, again = (
        hashlib.sha256((folder / "networks" / "infogan-0.safetensors").read_bytes()).hexdigest()
        for folder in (run, tmp_path / "run")
    )
    assert first == again
    then, now = (
        schemas.scan_training(folder).drop("seconds").collect().sort(pl.all()) for folder in (run, tmp_path / "run")
    )
    assert then.equals(now)
    assert set(then["metric"]) == {"bound", "discriminator loss", "generator loss", "held-out purity", "purity"}
    assert then.filter(pl.col("metric").str.contains("purity"))["control"].is_between(0.2, 0.5).all()
    pictures = [schemas.scan(folder, "generated").collect() for folder in (run, tmp_path / "run")]
    assert pictures[0].equals(pictures[1])
    assert dict(pictures[0].group_by("code").len().iter_rows()) == {"category": 8 * 4, "uniform 0": 4 * 9}


def test_what_is_left_encodes_and_decodes(run: Path) -> None:
    model = open_model(ModelSpec(f"trained:{run}/infogan-0"))
    network = model.module
    coding = coding_of(network, (1, SIDE, SIDE), "infogan")
    assert coding is not None
    assert (coding.groups, coding.dims) == (1, 11)
    assert coding.encodes
    assert coding.decodes
    assert len(coding.latents) == 11
    images = (torch.rand(5, 1, SIDE, SIDE) * 255).round() / 255
    with torch.inference_mode():
        codes = network.codes(images)[:, 0]
        assert torch.equal(network.codes(images[3:])[:, 0, 5:], codes[3:, 5:])  # noise does not depend on the batch
    assert (codes[:, :4].sum(1) == 1).all()
    assert codes.abs().max() <= 1


def test_its_codes_are_audited(data: Path, run: Path, judge: str, tmp_path: Path) -> None:
    from filterscope.pipeline.methods.codes.findings import headline

    found = audit_here(
        tmp_path / "audit", data=data, models=[{"source": f"trained:{run}/infogan-0"}], methods="codes",
        **{"codes.moved": 8, "codes.bases": 4, "codes.directions": 12, "codes.images": 60, "codes.classifier": judge},
    )  # fmt: skip
    (row,) = headline(found).iter_rows(named=True)
    assert row["codes"] == 11


def test_what_cannot_be_trained_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no multiple of 4"):
        trained(data, tmp_path / "run", input_size=18)
    with pytest.raises(InputError, match="nothing"):
        trained(data, tmp_path / "run", classifier=f"trained:{tmp_path}/nothing")
