"""Whatever dies in the middle of a run, the tables in the end are those of an undisturbed run, value for value."""

import errno
import pickle
from pathlib import Path

import pytest

from jobs.doctor import examine
from pipeline.attempts import TRIES
from pipeline.errors import RunError
from pipeline.ledger import write_atomically
from pipeline.runner import _run_step
from pipeline.stage import Fingerprint, Step, Unit, Work
from tests.faults.disturbed import Driver, settings_of
from tests.faults.injected import BLOCK
from tests.jobs.test_audit import assert_same


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return settings_of(tmp_path_factory.mktemp("faults") / "data")


@pytest.fixture(scope="module")
def undisturbed(settings, tmp_path_factory):
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert Driver(run, settings).wait()[0] == 0
    return run


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
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def resumed(run: Path, settings: dict, undisturbed: Path) -> None:
    """Finish a run with the same command, and compare it with the undisturbed one."""
    code, text = Driver(run, settings).wait()
    assert code == 0, text
    assert_same(run, undisturbed)
    assert not examine(run)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, TRIES - 1])
@pytest.mark.parametrize("fault", ["shard"])
def test_a_worker_that_dies_while_it_writes(settings, undisturbed, tmp_path, fault, times):
    for number in range(times):
        (tmp_path / f"armed-{number}").touch()
    code, text = Driver(tmp_path / "run", settings, FAULT=fault).wait()
    assert code == 0, text
    assert not list(tmp_path.glob("armed-*")), "the fault did not happen"
    assert_same(tmp_path / "run", undisturbed)


@pytest.mark.slow
def test_a_worker_that_dies_every_time_is_given_up(settings, undisturbed, tmp_path):
    run = tmp_path / "run"
    code, text = Driver(run, settings, FAULT="always").wait()
    assert code == 1, text
    assert f"extract/planted/0/images-{2 * BLOCK:06d}" in text
    assert f"ended the process of its worker {TRIES} times and is given up" in text
    assert "Finished work is saved" in text
    assert "Traceback" not in text
    resumed(run, settings, undisturbed)
