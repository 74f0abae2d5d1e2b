"""Two workers that train one network: killed and resumed, one of them killed, refused."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.doctor import examine
from filterscope.jobs.runs.train import train
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.training import plan, workers
from filterscope.pipeline.training.supervised import Supervised
from tests.planted.lessons import QUICK, write_lesson

SHORT = {**QUICK, "epochs": 2, "batch": 16}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lesson(tmp_path_factory.mktemp("data") / "lesson")


def trained(data: Path, out: Path, count: int = 2, seeds: int = 1) -> bool:
    return train(asked_of("plain", data, SHORT, seeds=seeds, workers=count), out, actors=0)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A training by two workers, never interrupted."""
    import ray

    out = tmp_path_factory.mktemp("run") / "run"
    assert trained(data, out)
    yield out
    ray.shutdown()


def digest(run: Path) -> str:
    return hashlib.sha256((run / "networks/plain-0.safetensors").read_bytes()).hexdigest()


def markers(run: Path) -> int:
    return len(list((run / "ledger/train").rglob("epochs-*.json")))


def descendants(process: int) -> set[int]:
    """Return the processes that one started, and those started, from /proc."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            children.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
        except OSError:
            continue
    found, left = set(), [process]
    while left:
        new = children.get(left.pop(), [])
        found |= set(new)
        left += new
    return found


def workers_of(process: int) -> list[int]:
    """Return those that train, by their titles."""
    found = []
    for child in descendants(process):
        try:
            title = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"RayTrainWorker" in title:
            found.append(child)
    return sorted(found)


@pytest.mark.slow
def test_two_workers_learn_what_is_planted(run: Path) -> None:
    rows = schemas.scan_training(run).collect()
    right = rows.filter(metric="accuracy", split="heldout", epoch=2)
    assert right["value"].item() >= 0.9
    assert right["examples"].item() == 24
    assert rows.filter(split="train", metric="loss")["examples"].to_list() == [72, 72]
    assert sorted(set(rows["step"])) == [5, 10]  # of 72 images, 16 an update
    assert not examine(run)
    assert not (run / "ledger/.workers/plain-0").exists()


@pytest.mark.fault
def test_a_command_that_is_killed_between_and_within_epochs_ends_in_the_same_bits(
    data: Path, run: Path, tmp_path: Path
) -> None:
    command = ["train", "plain", "--data", data, "--out", tmp_path / "run", "--seeds", 1, "--workers", 2]
    command += [part for name, value in SHORT.items() for part in (f"--{name.replace('_', '-')}", value)]
    child = subprocess.Popen([sys.executable, "-m", "filterscope", *map(str, command)], stderr=subprocess.DEVNULL)
    # killed once the workers of the second epoch are there
    while child.poll() is None and not (markers(tmp_path / "run") == 1 and len(workers_of(child.pid)) == 2):
        time.sleep(0.05)
    started = descendants(child.pid)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert started
    assert markers(tmp_path / "run") == 1
    assert trained(data, tmp_path / "run")
    assert digest(tmp_path / "run") == digest(run)


def dying(config: dict[str, Any]) -> list[Output]:
    """Train as a worker does; the second one is killed at the third update of the second epoch, once."""
    from ray.train import get_context

    update, dead, calls = Supervised._update, config["segment"].run.parent / "dead", [0]

    def dies(self: Supervised, *args: Any) -> None:
        calls[0] += 1
        if calls[0] == 3 and get_context().get_world_rank() == 1 and config["segment"].first == 1 and not dead.exists():
            dead.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        update(self, *args)

    Supervised._update = dies
    return workers._worker(config)


@pytest.mark.fault
def test_a_worker_that_is_killed_within_an_epoch_has_it_repeated_with_the_same_bits(
    data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_worker", dying)
    assert trained(data, tmp_path / "run")
    assert (tmp_path / "dead").exists()
    assert digest(tmp_path / "run") == digest(run)
    assert not examine(tmp_path / "run")


def test_how_many_train_is_part_of_the_fingerprint_where_there_are_several(data: Path, tmp_path: Path) -> None:
    assert trained(data, tmp_path / "run", count=1)
    one, two = (
        plan.chain_of(tmp_path / "run", plan.settings_of(asked_of("plain", data, SHORT, seeds=1, workers=count))[0])
        for count in (1, 2)
    )
    assert "workers" not in one.keys[0].fingerprint.parameters
    assert two.keys[0].fingerprint.parameters["workers"] == 2
    with pytest.raises(InputError, match=r"workers is 2 and was not stated\. Set them back, train again with --redo"):
        trained(data, tmp_path / "run", count=2)


@pytest.mark.parametrize("count", [0, 1025])
def test_how_many_workers_are_too_many_or_none(count: int, data: Path) -> None:
    with pytest.raises(InputError, match=rf"--workers {count}: from 1 to 1,024"):
        asked_of("plain", data, SHORT, workers=count)


def test_a_recipe_that_is_not_divided_says_so_before_anything_is_written(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    found = replace(plan.recipe("plain"), divisible=False)
    monkeypatch.setattr(plan, "recipe", lambda name: found)
    with pytest.raises(InputError, match="plain trains a network with one worker; drop --workers"):
        trained(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_more_workers_than_processors_are_refused(data: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"--workers 1000 take 1000 CPUs for each training, and there are \d+; use fewer"
    ):
        trained(data, tmp_path / "run", count=1000)
