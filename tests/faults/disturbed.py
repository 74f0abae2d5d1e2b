"""An audit of seconds, in a process of its own that may be disturbed."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w

from tests import planted
from tests.planted import PLANTED

#: Seconds that no run of this size takes.
LIMIT = 400
ROOT = Path(__file__).parents[2]


def settings_of(data: Path) -> dict[str, Any]:
    """Write a data set and return the settings of an audit with several units in every stage."""
    planted.write_dataset(data)
    return {
        "data": str(data),
        "models": [PLANTED],
        "layers": ["0", "1"],
        "quantile": 0.05,
        "min_images": 3,
        "image_block": 2,
        "unit_block": 2,
        "batch_size": 2,
        "metrics": ["dissection"],
    }


class Driver:
    """A process that audits, and what it leaves behind; the run lies at `run` unless the settings say otherwise."""

    def __init__(self, run: Path, settings: dict[str, Any], **fault: str) -> None:
        run.parent.mkdir(exist_ok=True)
        zoo = run.with_suffix(".toml")
        zoo.write_text(tomli_w.dumps({"out": str(run), **settings}))
        self._token = f"FAULT_TOKEN={uuid.uuid4().hex}"
        name, value = self._token.split("=")
        environment = {key: text for key, text in os.environ.items() if not key.startswith("RAY_")}
        environment |= {"PYTHONPATH": str(ROOT), "FAULT_PLACE": str(run.parent), name: value, **fault}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.driver", str(zoo)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait(self) -> tuple[int, str]:
        """Wait for the end, and for that of every process that it started."""
        try:
            text, _ = self.process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        # where a driver is killed in its first second, Ray's own agents end a minute later
        until = time.monotonic() + 120
        while self.left():
            assert time.monotonic() < until, f"processes {self.left()} outlive the audit"
            time.sleep(0.2)
        return self.process.returncode, text

    def left(self) -> list[int]:
        """Return the processes that inherited the driver's environment and are alive."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and self._token.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
        return found


def markers(run: Path) -> int:
    """Count the finished units of a run, on a file system or an object store."""
    while True:
        try:
            return sum(".attempts" not in path.parts for path in (run / "ledger").rglob("*.json"))
        except FileNotFoundError:  # a folder of attempts went while its parent was listed
            continue


def until(driver: Driver, condition: Callable[[], bool]) -> None:
    """Wait for a condition, or for the end of the driver."""
    end = time.monotonic() + LIMIT
    while driver.process.poll() is None and not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def holder(lock: Path) -> bytes | None:
    """Return who holds a run, None while nobody does, as for a moment when it is taken over."""
    try:
        return lock.read_bytes()
    except FileNotFoundError:
        return None


def kill_often(
    place: Path, start: Callable[[Path], Driver], finished: Callable[[Path], None]
) -> tuple[Path, list[int]]:
    """Kill drivers twenty times, at moments drawn by seed.

    Parameters
    ----------
    place : Path
        Where the runs lie, on a file system or an object store.
    start : callable
        Starts the driver of a run; called for the same run until it gets through between two kills.
    finished : callable
        Called with such a run; the next begins a new one.

    Returns
    -------
    Path, list of int
        The run that was killed last, and how many units were finished at each kill.
    """
    dice, runs, killed = random.Random(7), 0, list[int]()
    while len(killed) < 20:
        assert runs < 20
        run = place / f"run-{runs}"
        lock = run / "lock.json"
        left = holder(lock)
        driver = start(run)
        until(driver, lambda: holder(lock) not in (left, None))  # noqa: B023
        enough = markers(run) + dice.choice((0, 1, 2, 3, 5, 8))
        until(driver, lambda: markers(run) >= enough)  # noqa: B023
        time.sleep(dice.uniform(0, 1))
        driver.process.send_signal(signal.SIGKILL)
        code, text = driver.wait()
        if code == 0:
            finished(run)
            runs += 1
        else:
            assert code == -signal.SIGKILL, text
            killed.append(markers(run))
    return place / f"run-{runs}", killed


def arm(place: Path, *faults: str, times: int) -> None:
    """Have each fault happen a number of times in the drivers whose run lies in a folder."""
    for fault in faults:
        for number in range(times):
            (place / f"armed-{fault}-{number}").touch()
