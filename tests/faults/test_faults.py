"""Whatever dies in the middle of a run, the tables in the end are those of an undisturbed run, value for value."""

import errno
import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from filterscope import schemas
from filterscope.jobs.runs.doctor import examine
from filterscope.pipeline.engine.attempts import TRIES
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.keys import Fingerprint, Key
from filterscope.pipeline.engine.stage import Step, Work
from filterscope.pipeline.engine.worker import Piece, Worker
from filterscope.pipeline.stores.places import write_atomically
from tests.audits import assert_same
from tests.faults.disturbed import Driver, arm, kill_often, markers, settings_of, until
from tests.faults.injected import BLOCK
from tests.planted import PLANTED


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return settings_of(tmp_path_factory.mktemp("faults") / "data")


@pytest.fixture(scope="module")
def undisturbed(settings, tmp_path_factory):
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert Driver(run, settings).wait()[0] == 0
    return run


def test_a_full_disk_names_the_unit_and_leaves_no_half_file(tmp_path, monkeypatch):
    key = Key("dissect", ("net", "layer", "units-0"), Fingerprint({}))

    def full(task):
        raise OSError(errno.ENOSPC, "No space left on device")

    outcome = Worker(Step(full), tmp_path).carry_out(Piece(Work((key,), None), {})).result
    assert isinstance(outcome, RunError)
    assert str(outcome).startswith("no space left on the disk or in the quota while writing dissect/net/layer/units-0")
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


@pytest.mark.fault
def test_a_driver_killed_at_any_moment_is_resumed(settings, undisturbed, tmp_path):
    """Twenty kills; a run that got through between two of them is compared, and the next begins a new one.

    The driver does the work itself, so that kills fall into writes too; it is compared with what workers wrote.
    """
    alone = {**settings, "actors": 0}
    start = partial(Driver, settings=alone, FAULT_DELAY="0.2")
    run, killed = kill_often(tmp_path, start, lambda run: assert_same(run, undisturbed))
    assert len(set(killed)) > 5, f"kills fell at few moments: finished units after each were {killed}"
    resumed(run, alone, undisturbed)


@pytest.mark.parametrize(
    "times", [pytest.param(1, marks=pytest.mark.slow), pytest.param(TRIES - 1, marks=pytest.mark.fault)]
)
def test_workers_that_die_while_they_write(settings, undisturbed, tmp_path, times):
    """In one run, in the middle of markers, of shards and of tables: each kind first in a stage of its own."""
    faults = ("marker", "shard", "table")
    arm(tmp_path, *faults, times=times)
    code, text = Driver(tmp_path / "run", settings, FAULT=",".join(faults)).wait()
    assert code == 0, text
    assert not list(tmp_path.glob("armed-*")), "a fault did not happen"
    assert_same(tmp_path / "run", undisturbed)


@pytest.mark.fault
def test_a_worker_that_dies_every_time_is_given_up(settings, undisturbed, tmp_path):
    run = tmp_path / "run"
    code, text = Driver(run, settings, FAULT="always").wait()
    assert code == 1, text
    assert f"extract/planted/0/images-{2 * BLOCK:06d}" in text
    assert f"crashed its worker {TRIES} times; giving up" in text
    assert "Finished work is saved" in text
    assert "Traceback" not in text
    resumed(run, settings, undisturbed)


@pytest.mark.fault
def test_a_stage_that_stands_still_names_the_unit_it_is_at(settings, undisturbed, tmp_path):
    run = tmp_path / "run"
    limit = {"RAY_DATA_EXECUTION_NO_PROGRESS_TIMEOUT_S": "60"}
    code, text = Driver(run, settings, FAULT="stuck", **limit).wait()
    assert code == 1, text
    assert f"the workers of extract died or were stuck at extract/planted/0/images-{2 * BLOCK:06d}; not done: " in text
    assert "Traceback" not in text
    resumed(run, settings, undisturbed)


@pytest.mark.fault
def test_without_memory_a_unit_is_tried_once_more_and_then_named(settings, undisturbed, tmp_path):
    settings = {**settings, "actors": 1}
    arm(tmp_path, "memory", times=1)
    code, text = Driver(tmp_path / "once", settings, FAULT="memory").wait()
    assert code == 0, text
    assert not list(tmp_path.glob("armed-*"))
    assert_same(tmp_path / "once", undisturbed)
    arm(tmp_path, "memory", times=2)
    code, text = Driver(tmp_path / "twice", settings, FAULT="memory").wait()
    assert code == 1, text
    assert "extract/planted/0/images-" in text
    assert "ran out of memory, twice (Unable to allocate 9.99 TiB); a smaller --batch-size needs less of it" in text
    assert "Traceback" not in text
    resumed(tmp_path / "twice", settings, undisturbed)


@pytest.mark.fault
@pytest.mark.parametrize("stage", ["extract", "dissect"])
def test_a_node_that_dies(settings, undisturbed, tmp_path, stage):
    nodes = {"FAULT_NODES": "2,2", "FAULT_NODE": stage}
    code, text = Driver(tmp_path / "run", settings, FAULT_DELAY="0.5", **nodes).wait()
    assert code == 0, text
    assert "node removed after" in text
    assert_same(tmp_path / "run", undisturbed)


@pytest.mark.fault
def test_a_cluster_that_breathes(settings, undisturbed, tmp_path):
    """For some minutes one of three nodes goes every 20 s and another comes; a removal costs one piece of work."""
    small = {**settings, "image_block": 1, "unit_block": 1, "actors": 3}
    assert Driver(tmp_path / "calm" / "run", {**small, "actors": 0}).wait()[0] == 0
    run = tmp_path / "breathing" / "run"
    code, text = Driver(run, small, FAULT="tries", FAULT_NODES="1,1,1", FAULT_BREATH="20", FAULT_DELAY="2").wait()
    assert code == 0, text
    replaced = int(text.rpartition("nodes replaced: ")[2].split()[0])
    assert replaced >= 3
    assert_same(run, tmp_path / "calm" / "run")
    tries = [path.stat().st_size for path in (run.parent / "tries").iterdir()]
    assert sum(tries) - len(tries) <= replaced, tries


@pytest.mark.fault
def test_a_node_that_is_called_back_loses_nothing(settings, undisturbed, tmp_path):
    """It finishes the piece that it is at, and takes no other, before it goes."""
    small = {**settings, "image_block": 1, "actors": 3}
    nodes = {"FAULT_NODES": "1,1,1", "FAULT_DRAIN": "30"}
    code, text = Driver(tmp_path / "run", small, FAULT="tries", FAULT_DELAY="2", **nodes).wait()
    assert code == 0, text
    assert "node drained: True" in text
    assert_same(tmp_path / "run", undisturbed)
    assert {path.stat().st_size for path in (tmp_path / "tries").iterdir()} == {1}


@pytest.mark.fault
def test_nodes_that_come_late_get_work(settings, undisturbed, tmp_path):
    small = {**settings, "image_block": 1, "actors": 3}
    code, text = Driver(tmp_path / "run", small, FAULT="nodes", FAULT_NODES="1", FAULT_LATE="2", FAULT_DELAY="4").wait()
    assert code == 0, text
    assert len(list(tmp_path.glob("node-*"))) == 3
    assert_same(tmp_path / "run", undisturbed)


@pytest.mark.fault
def test_a_zoo_on_three_unequal_nodes(settings, tmp_path):
    """Four networks; every node has a part in them, and the tables are those of one process."""
    models = [{**PLANTED, "name": f"planted-{number}", "mean": [0.1 * number] * 3} for number in range(4)]
    zoo = {**settings, "models": models}
    alone, spread = tmp_path / "alone" / "run", tmp_path / "spread" / "run"
    assert Driver(alone, {**zoo, "actors": 0}).wait()[0] == 0
    code, text = Driver(spread, {**zoo, "actors": 3}, FAULT="nodes", FAULT_NODES="1,2,1").wait()
    assert code == 0, text
    assert len(list(spread.parent.glob("node-*"))) == 3
    assert_same(spread, alone)
    assert schemas.scan(spread, "units").collect()["model"].n_unique() == len(models)


@pytest.mark.fault
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
    resumed(run, settings, undisturbed)


@pytest.mark.fault
def test_ctrl_c_stops_everything_and_says_how_to_resume(settings, undisturbed, tmp_path):
    run = tmp_path / "run"
    driver = Driver(run, settings, FAULT_DELAY="0.5")
    until(driver, lambda: markers(run) >= 3)
    os.killpg(driver.process.pid, signal.SIGINT)  # as a terminal does
    code, text = driver.wait()
    assert code == 130, text
    assert "interrupted; finished work is saved, the same command resumes it" in text
    assert not (run / "lock.json").exists()
    events = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "run interrupted"
    assert {event["key"] for event in events if event["event"] == "work done"}
    resumed(run, settings, undisturbed)
