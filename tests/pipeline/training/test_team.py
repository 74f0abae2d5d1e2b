"""Workers that train one network: shares of a batch, gradients and measures are those of one worker on the whole batch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
import torch
from torch import multiprocessing, nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.trained import Description
from filterscope.pipeline.training.lesson import Lesson
from filterscope.pipeline.training.recipe import Measure, Training
from filterscope.pipeline.training.supervised import Supervised
from filterscope.pipeline.training.team import ALONE, Team
from filterscope.pipeline.views.transform import Transform

SIDE, IMAGES = 8, 43


class Pixels:
    """Images in memory; `broken` ones cannot be decoded."""

    def __init__(self, broken: tuple[int, ...]) -> None:
        self.pixels = np.random.default_rng(1).integers(0, 256, (IMAGES, SIDE, SIDE, 3)).astype(np.uint8)
        self.broken, self.rejects = set(broken), {}

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        good = np.array([row not in self.broken for row in rows])
        self.rejects |= {str(row): "broken" for row in rows[~good]}
        return self.pixels[rows].copy(), good


def training(several: bool = False, norm: bool = False, broken: tuple[int, ...] = (), batch: int = 10) -> Supervised:
    """Return a training of 33 images, whose last batch is of three; plain gradient descent, so that errors stay small."""
    torch.manual_seed(3)
    middle = nn.BatchNorm2d(6) if norm else nn.Identity()
    network = nn.Sequential(nn.Conv2d(3, 6, 3), middle, nn.Tanh(), nn.Flatten(), nn.Linear(6 * 36, 3))
    rng = np.random.default_rng(2)
    target = rng.integers(-1, 2, (IMAGES, 3)).astype(np.int8) if several else rng.integers(0, 3, IMAGES)
    lesson = Lesson(
        "attributes" if several else "classes", ("a", "b", "c"), target, np.arange(33), np.arange(33, IMAGES)
    )
    transform = Transform((SIDE, SIDE), SIDE, "bilinear", (0.5,) * 3, (0.25,) * 3)
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    described = Description("small-cnn", {}, transform, lesson.names)
    return Supervised(network, described, lesson, Pixels(broken), optimiser, batch=batch)


@dataclass(frozen=True)
class Threads(Team):
    """Workers that are threads of this process."""

    board: list[Any] = field(default_factory=list)
    barrier: Barrier = field(default_factory=lambda: Barrier(1))

    def joined(self, value: Any) -> list[Any]:
        self.board[self.rank] = value
        self.barrier.wait(30)
        found = list(self.board)
        self.barrier.wait(30)
        return found

    def summed(self, values: list[float], device: str) -> list[float]:
        return np.sum(self.joined(values), axis=0).tolist()

    def parallel(self, network: nn.Module) -> nn.Module:
        for weight in network.parameters():
            weight.register_post_accumulate_grad_hook(self._average)
        return network

    def _average(self, weight: nn.Parameter) -> None:
        weight.grad = torch.stack(self.joined(weight.grad)).mean(0)

    def settle(self, network: nn.Module) -> None:
        pass


def by_threads(size: int, make: Callable[[], Supervised]) -> list[tuple[Supervised, list[Measure]]]:
    """Train an epoch with workers that are threads; return each worker's training and measures."""
    board, barrier = [None] * size, Barrier(size)
    workers, found = [make() for _ in range(size)], [[] for _ in range(size)]

    def work(rank: int) -> None:
        workers[rank].join(Threads(rank, size, board, barrier))
        found[rank] = list(workers[rank].epoch(0, np.random.default_rng(7)))

    threads = [Thread(target=work, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return list(zip(workers, found, strict=True))


def assert_alike(found: list[Measure], expected: list[Measure]) -> None:
    assert [(one.split, one.metric, one.label, one.examples) for one in found] == [
        (one.split, one.metric, one.label, one.examples) for one in expected
    ]
    np.testing.assert_allclose([one.value for one in found], [one.value for one in expected], rtol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("several", [False, True])
def test_workers_without_batch_norm_learn_and_measure_what_one_does_on_whole_batches(size: int, several: bool) -> None:
    alone = training(several)
    expected = alone.epoch(0, np.random.default_rng(7))
    for worker, found in by_threads(size, lambda: training(several)):
        assert worker.step == alone.step == 4
        for mine, whole in zip(worker.network.parameters(), alone.network.parameters(), strict=True):
            torch.testing.assert_close(mine, whole, atol=1e-6, rtol=0)
        assert_alike(found, list(expected))


def test_images_that_one_worker_cannot_decode_are_known_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filterscope.pipeline.training.supervised._MOST_BAD", 0.5)
    broken = (4, 20, 38)
    alone = training(broken=broken)
    expected = alone.epoch(0, np.random.default_rng(7))
    for worker, found in by_threads(2, lambda: training(broken=broken)):
        assert worker.rejects == alone.rejects == dict.fromkeys(map(str, broken), "broken")
        assert_alike(found, list(expected))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_shares_cover_every_row_once_and_small_batches_are_shown_whole(size: int) -> None:
    for count in range(1, 40):
        shares = [Team(rank, size).share(count, 2) for rank in range(size)]
        told = np.concatenate([np.arange(count)[rows] for rows, tells in shares if tells])
        assert told.tolist() == list(range(count))
        shown = [len(np.arange(count)[rows]) for rows, _ in shares]
        assert min(shown) >= min(count, 2)
        assert max(shown) - min(shown) <= 1


def test_one_worker_alone_is_sent_nothing() -> None:
    network = nn.BatchNorm2d(3)
    assert ALONE.joined("mine") == ["mine"]
    assert ALONE.summed([2.0], "cpu") == [2.0]
    assert ALONE.parallel(network) is network
    ALONE.settle(network)  # would fail without a process group


def test_a_training_that_cannot_be_divided_refuses_company() -> None:
    class Whole(Training):
        def epoch(self, number, random):
            return []

        def description(self):
            raise NotImplementedError

    Whole().join(ALONE)
    with pytest.raises(InputError, match="one worker; drop --workers"):
        Whole().join(Team(1, 2))


def in_process(rank: int, folder: str, norm: bool) -> None:
    """Make the first update of a training in batches of 32, as one process of two, and leave gradients and buffers."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    worker = training(norm=norm, batch=32)
    worker.join(Team(rank, 2))
    update = worker._update
    gradients: list[torch.Tensor] = []

    def recorded(loss: torch.Tensor, epoch: int) -> None:
        update(loss, epoch)
        gradients.extend(weight.grad.clone() for weight in worker.network.parameters())

    worker._update = recorded
    worker.epoch(0, np.random.default_rng(7))
    torch.save([gradients, list(worker.network.buffers())], f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one_on_the_whole_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(in_process, (str(tmp_path), False), nprocs=2)
    alone = training(batch=32)
    alone.epoch(0, np.random.default_rng(7))  # 33 images: one batch, since a last one of a single image is left out
    for rank in range(2):
        gradients, _ = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert len(gradients) == 4
        for mine, weight in zip(gradients, alone.network.parameters(), strict=True):
            torch.testing.assert_close(mine, weight.grad, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_batch_norm_sees_each_share_and_keeps_the_average_of_its_statistics(tmp_path: Path) -> None:
    multiprocessing.spawn(in_process, (str(tmp_path), True), nprocs=2)
    (_, first), (_, second) = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    start = training(norm=True, batch=32)
    batch = next(start._batches(np.random.default_rng(7)))
    with torch.no_grad():
        maps = start.network[0](start.shown.batch(batch.pixels))
    halves = maps[:16], maps[16:]
    mean = sum(half.mean((0, 2, 3)) for half in halves) / 2
    variance = sum(half.var((0, 2, 3), unbiased=True) for half in halves) / 2
    torch.testing.assert_close(first[0], 0.1 * mean)
    torch.testing.assert_close(first[1], 0.9 + 0.1 * variance)
    for mine, other in zip(first, second, strict=True):
        assert torch.equal(mine, other)
