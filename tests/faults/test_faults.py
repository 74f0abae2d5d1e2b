"""Whatever dies in the middle of a run, the tables in the end are those of an undisturbed run, value for value."""

import errno
import os
import pickle
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import tomli_w

from pipeline.errors import RunError
from pipeline.ledger import write_atomically
from pipeline.runner import _run_step
from pipeline.stage import Fingerprint, Step, Unit, Work
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


def test_a_full_disk_names_the_unit_and_leaves_no_half_file(tmp_path, monkeypatch):
    unit = Unit("dissect", ("net", "layer", "units-0"), Fingerprint({}))

    def full(task):
        raise OSError(errno.ENOSPC, "No space left on device")

    row = {"work": pickle.dumps(Work((unit,), None))}
    outcome = pickle.loads(_run_step(row, Step(full), tmp_path)["outcome"])
    assert isinstance(outcome, RunError)
    assert str(outcome).startswith(
        "no space left on the disk or in the quota while dissect/net/layer/units-0 was written"
    )
    monkeypatch.setattr(Path, "replace", lambda *_: full(None))
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "marker", b"data")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "times"), [("shard", 3)])
def test_a_worker_that_dies_while_it_writes(settings, undisturbed, tmp_path, fault, times):
    for number in range(times):
        (tmp_path / f"armed-{number}").touch()
    code, text = Driver(tmp_path / "run", settings, FAULT=fault).wait()
    assert code == 0, text
    assert not list(tmp_path.glob("armed-*")), "the fault did not happen"
    assert_same(tmp_path / "run", undisturbed)
