"""The recipe `inverter`: resumed, opened, and what inverters of planted networks recover."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.train import train
from filterscope.operators.upconvolution.controls import Ridge
from filterscope.operators.upconvolution.measures import colour_error, distances, place_error
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.architectures.inverter import Inverter
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.stated import stated_spec
from filterscope.pipeline.training.inverting import (
    TRAINED,
    UNTRAINED,
    Frozen,
    Inverting,
    inverter_of,
    inverters_in,
    opened,
    pictures,
    split_of,
    untrained,
)
from filterscope.pipeline.training.recipe import Setting, Subject
from filterscope.pipeline.training.recipes.inverter import INVERTER, InverterOptions
from filterscope.pipeline.views.views import ViewSettings
from tests.planted.inverted import COLOURS, GROUND, SQUARE, drawn, source, write_squares

QUICK = {"epochs": 2, "width": 1 / 32, "batch": 16, "learning_rate": 4e-3}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("data") / "squares", 64)


def trained(data: Path, out: Path, name: str = "luminance", layers: str = "0", **options: object) -> Path:
    asked = asked_of("inverter", data, {**QUICK, **options}, seeds=1, models=[source(name)], layers=layers)
    train(asked, out, actors=0)
    return out


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(data, tmp_path_factory.mktemp("run") / "run")


def digests(run: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((run / "networks").iterdir())}


def test_it_resumes_bit_for_bit(data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch, calls = Inverting.epoch, [0]

    def dies(self: Inverting, *args: object) -> object:
        calls[0] += 1
        if calls[0] in (2, 4):
            raise KeyboardInterrupt
        return epoch(self, *args)

    monkeypatch.setattr(Inverting, "epoch", dies)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            trained(data, tmp_path / "run")
    trained(data, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(run)


def test_a_checkpoint_holds_all_that_its_pictures_depend_on(data: Path, run: Path) -> None:
    """The error of the table is that of what the checkpoint makes of held-out images."""
    spec = stated_spec(source("luminance"))
    digest = open_model(spec).weights_sha256
    found = inverter_of(inverters_in(run), digest, "0")
    assert found is not None
    assert inverter_of(inverters_in(run), digest, "1") is None
    network, dataset = opened(found), Dataset(data)
    split = split_of(data, dataset.identity, ViewSettings(), 0.25)
    assert (len(split.train), len(split.heldout)) == (48, 16)
    shown = drawn(64)[0]
    # features are kept in half precision
    features = Frozen(spec, "0")(shown[split.heldout]).astype(np.float16)
    errors = distances(shown[split.heldout] / 255, pictures(network, features)) / float(network.distance)
    row = schemas.scan(run, "training").filter(model=found.file.stem, metric="error", epoch=2).collect().to_dicts()[0]
    assert row["value"] == pytest.approx(errors.mean(), rel=1e-3)
    learned = shown[split.train] / 255
    assert network.mean_image.numpy() == pytest.approx(np.moveaxis(learned.mean(0), 2, 0), abs=1e-6)
    mean = distances(shown[split.heldout] / 255, learned.mean(0)[None]) / float(network.distance)
    assert row["control"] == pytest.approx(mean.mean(), rel=1e-5)
    assert row["value"] < row["control"]
    untrained_too = inverter_of(inverters_in(run), digest, "0", UNTRAINED)
    assert untrained_too is not None
    assert {found.about["kind"], untrained_too.about["kind"]} == {TRAINED, UNTRAINED}


def test_an_inverter_that_has_learned_nothing_adds_little_to_the_mean_image() -> None:
    torch.manual_seed(0)
    for features in ((5, 1, 1), (5, 4, 4), (5, 3, 4)):
        network = Inverter(*features, 16, 18, 3, 1 / 16)
        network.mean_image.fill_(0.5)
        made = network(torch.zeros(2, *features))
        assert made.shape == (2, 3, 16, 18)
        assert (made - 0.5).abs().max() < 0.4
        codes = network.decode(torch.zeros(2, int(np.prod(features))), 0)
        assert torch.equal(codes, made.clamp(0, 1))


def test_an_untrained_network_has_other_weights() -> None:
    assert untrained(ModelSpec("torchvision:resnet18@a.pth")).source == "torchvision:resnet18@random:0"
    assert untrained(ModelSpec("torchvision:resnet18@random:0")).source == "torchvision:resnet18@random:1"
    assert untrained(stated_spec("factory:a:b@w.pth;input_size=28")).input_size == 28


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    few = write_squares(tmp_path / "few", 3)
    with pytest.raises(InputError, match="3 images, or groups of them; an inverter needs two"):
        trained(few, tmp_path / "run")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("data") / "many", 400)


def inverted(many: Path, out: Path, name: str, layer: str, **options: object) -> tuple[np.ndarray, np.ndarray, float]:
    """Return held-out images, what the inverter of a planted network makes of them, and the unit of errors."""
    spec, asked = (
        stated_spec(source(name)),
        {"epochs": 12, "width": 1 / 16, "batch": 16, "learning_rate": 1e-2, **options},
    )
    identity, subject = Dataset(many).identity, Subject(spec, name, open_model(spec).weights_sha256, layer)
    setting = Setting("inverter", name, InverterOptions(**asked), many, identity, subject, 0, TRAINED, shared=out)
    torch.manual_seed(0)
    training = INVERTER.start(setting)
    for epoch in range(asked["epochs"]):
        training.epoch(epoch, np.random.default_rng(epoch))
    network, split = training.network.eval(), split_of(many, identity, ViewSettings(), 0.25)
    shown = drawn(400)[0][split.heldout]
    return shown / 255, pictures(network, Frozen(spec, layer)(shown)), float(network.distance)


@pytest.mark.slow
def test_of_grey_values_place_is_recovered_and_colour_is_what_the_grey_value_tells(many: Path, tmp_path: Path) -> None:
    shown, made, _ = inverted(many, tmp_path / "run", "luminance", "0")
    mean = np.broadcast_to(shown.mean(0), shown.shape)
    assert place_error(shown, made).mean() < 0.3 * place_error(shown, mean).mean()
    # of two equally light colours the best picture shows the mean
    best = np.array(COLOURS).reshape(2, 2, 3).mean(1).repeat(2, axis=0)
    _, colour, place = (
        part[split_of(many, Dataset(many).identity, ViewSettings(), 0.25).heldout] for part in drawn(400)
    )
    expected = np.full_like(shown, GROUND)
    for number, (row, column) in enumerate(place):
        expected[number, row : row + SQUARE, column : column + SQUARE] = best[colour[number]]
    assert colour_error(shown, made).mean() == pytest.approx(colour_error(shown, expected).mean(), rel=0.15)


@pytest.mark.slow
def test_of_a_mean_colour_colour_is_recovered_and_place_is_that_of_the_prior(many: Path, tmp_path: Path) -> None:
    shown, made, _ = inverted(many, tmp_path / "run", "overall", "1")
    middle = np.full_like(shown, GROUND)
    middle[:, 5:11, 5:11] = 1.0  # the mean of all places
    assert place_error(shown, made).mean() == pytest.approx(place_error(shown, middle).mean(), rel=0.15)
    mean = np.broadcast_to(shown.mean(0), shown.shape)
    assert colour_error(shown, made).mean() < 0.35 * colour_error(shown, mean).mean()


@pytest.mark.slow
def test_an_inverter_of_all_that_there_is_makes_the_image(many: Path, tmp_path: Path) -> None:
    """A linear one does so exactly; the network comes close in a dozen passes over 300 images."""
    shown, made, unit = inverted(many, tmp_path / "run", "unfolded", "1", epochs=20, width=1 / 8, learning_rate=4e-3)
    assert distances(shown, made).mean() / unit < 0.1
    features = Frozen(stated_spec(source("unfolded")), "1")((shown * 255).astype(np.float32)).reshape(len(shown), -1)
    linear = Ridge(features, shown.reshape(len(shown), -1), 1e-6)(features).reshape(shown.shape)
    assert distances(shown, linear).mean() / unit < 0.02
