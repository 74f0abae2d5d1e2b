"""Whatever dies in the middle of a run, the tables in the end are those of an undisturbed run, value for value."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import tomli_w

from jobs.doctor import examine
from tests import planted
from tests.jobs.test_audit import PLANTED, assert_same

#: Seconds that no run of this size takes.
LIMIT = 300
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    data = tmp_path_factory.mktemp("faults") / "data"
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


@pytest.fixture(scope="module")
def undisturbed(settings, tmp_path_factory):
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert Driver(run, settings).wait()[0] == 0
    return run


class Driver:
    """A process that audits, and what it leaves behind."""

    def __init__(self, run: Path, settings: dict, **fault: str) -> None:
        run.parent.mkdir(exist_ok=True)
        zoo = run.with_suffix(".toml")
        zoo.write_text(tomli_w.dumps({**settings, "out": str(run)}))
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
        until = time.monotonic() + 30
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
    return len(list((run / "ledger").rglob("*.json")))


def until(driver: Driver, condition) -> None:
    end = time.monotonic() + LIMIT
    while driver.process.poll() is None and not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fault", ["shard", "table", "marker"])
def test_a_worker_that_dies_while_it_writes(settings, undisturbed, tmp_path, fault, times):
    for number in range(times):
        (tmp_path / f"armed-{number}").touch()
    code, text = Driver(tmp_path / "run", settings, FAULT=fault).wait()
    assert code == 0, text
    assert not list(tmp_path.glob("armed-*")), "the fault did not happen"
    assert_same(tmp_path / "run", undisturbed)


@pytest.mark.slow
def test_a_driver_killed_at_any_moment_is_resumed(settings, undisturbed, tmp_path):
    dice, run, killed = random.Random(7), tmp_path / "run", []
    for _ in range(20):
        driver = Driver(run, settings, FAULT_DELAY="0.3")
        until(driver, lambda: (run / "lock.json").exists())
        time.sleep(dice.uniform(0, 12))
        driver.process.send_signal(signal.SIGKILL)
        killed.append((driver.wait()[0], markers(run)))
    print("exit code and finished units after each:", killed)
    assert [code for code, _ in killed].count(-signal.SIGKILL) >= 10
    code, text = Driver(run, settings).wait()
    assert code == 0, text
    assert_same(run, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["extract", "dissect"])
def test_a_node_that_dies(settings, undisturbed, tmp_path, stage):
    code, text = Driver(tmp_path / "run", settings, FAULT_NODE=stage, FAULT_DELAY="0.5").wait()
    assert code == 0, text
    assert "node removed after" in text
    assert_same(tmp_path / "run", undisturbed)


@pytest.mark.slow
def test_a_full_disk_stops_the_run_which_resumes_when_there_is_space(settings, undisturbed, tmp_path):
    run = tmp_path / "run"
    (tmp_path / "full").touch()
    code, text = Driver(run, settings, FAULT="full").wait()
    assert code == 1, text
    assert "no space left" in text
    assert "Finished work is saved" in text
    assert "Traceback" not in text
    assert not examine(run)
    (tmp_path / "full").unlink()
    code, text = Driver(run, settings, FAULT="full").wait()
    assert code == 0, text
    assert_same(run, undisturbed)


@pytest.mark.slow
def test_ctrl_c_stops_everything_and_says_how_to_resume(settings, undisturbed, tmp_path):
    run = tmp_path / "run"
    driver = Driver(run, settings, FAULT_DELAY="0.5")
    until(driver, lambda: markers(run) >= 3)
    driver.process.send_signal(signal.SIGINT)
    code, text = driver.wait()
    assert code == 130, text
    assert "interrupted; finished work is saved, the same command resumes it" in text
    assert not (run / "lock.json").exists()
    code, text = Driver(run, settings).wait()
    assert code == 0, text
    assert_same(run, undisturbed)
