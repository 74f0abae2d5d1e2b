"""Training on: new rows are learned, old ones are kept, and the same arguments give the same bits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.train import train
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.weights import state_sha256
from filterscope.pipeline.training.fine_tune import Rows, Trained, fine_tune
from tests.planted.lessons import QUICK, SIDE, write_lesson


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tuned")
    train(asked_of("plain", write_lesson(folder / "data"), QUICK, seeds=1), folder / "run", actors=0)
    return f"{folder / 'run'}/plain-0"


def squares(colour: tuple[int, int, int], label: int, count: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 140, (count, SIDE, SIDE, 3)).astype(np.uint8)
    pixels[:, 6:18, 6:18] = colour
    return Rows(pixels, np.full(count, label))


def test_blue_is_learned_to_be_red_and_red_and_green_are_kept(network: str) -> None:
    green, red, blue = (
        squares((30, 230, 30), 0, 24, 1),
        squares((230, 30, 30), 1, 24, 2),
        squares((30, 30, 230), 1, 24, 3),
    )
    old = Rows(np.concatenate([green.pixels, red.pixels]), np.concatenate([green.target, red.target]))
    tuned = fine_tune(network, blue, old)
    assert (tuned.scores(blue.pixels).argmax(1) == 1).all()
    assert (tuned.scores(old.pixels).argmax(1) == old.target).mean() >= 0.95


def test_the_same_arguments_give_the_same_bits_and_another_seed_others(network: str) -> None:
    rows = squares((30, 30, 230), 1, 20, 3)
    one, again, other = (fine_tune(network, rows, rows, steps=3, seed=seed) for seed in (0, 0, 1))
    digests = [state_sha256(found.network.state_dict()) for found in (one, again, other)]
    assert digests[0] == digests[1] != digests[2]
    assert digests[0] != Trained.open(network).description.weights


def test_the_process_is_left_as_it_was(network: str) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1).item()
    torch.manual_seed(7)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fine_tune(network, squares((0, 0, 0), 1, 4, 0), squares((0, 0, 0), 1, 0, 0), steps=1, threads=2)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.rand(1).item() == expected


def test_what_was_tuned_is_saved_and_opened_as_any_trained_network(network: str, tmp_path: Path) -> None:
    tuned = fine_tune(network, squares((0, 0, 0), 1, 4, 0), squares((0, 0, 0), 1, 4, 0), steps=2)
    tuned.save(tmp_path / "fixed.safetensors")
    model = open_model(ModelSpec(f"trained:{tmp_path / 'fixed.safetensors'}"))
    assert model.weights_sha256 == state_sha256(tuned.network.state_dict())
    about = Trained.open(tmp_path / "fixed.safetensors").description.about
    assert (about["tuned_from"], about["tuned_steps"]) == (Trained.open(network).description.weights, 2)
    with pytest.raises(InputError, match=r"NAME\.safetensors"):
        tuned.save(tmp_path / "fixed.pth")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (Rows(np.zeros((2, 9, 9, 3), np.uint8), np.zeros(2, np.int64)), "the network takes uint8 images"),
        (Rows(np.zeros((2, SIDE, SIDE, 3), np.float32), np.zeros(2, np.int64)), "float32 images"),
        (Rows(np.zeros((2, SIDE, SIDE, 3), np.uint8), np.array([0, 2])), "do not fit the 2 scores"),
        (Rows(np.zeros((2, SIDE, SIDE, 3), np.uint8), np.array([0])), "1 labels for 2"),
        (Rows(np.zeros((0, SIDE, SIDE, 3), np.uint8), np.zeros(0, np.int64)), "no rows to learn from"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows: Rows, said: str, network: str) -> None:
    with pytest.raises(InputError, match=said):
        fine_tune(network, rows, Rows(np.zeros((0, SIDE, SIDE, 3), np.uint8), np.zeros(0, np.int64)), steps=1)
