"""Runs on an object store that are disturbed: resumed, their tables are those of an undisturbed run on a file system."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from tests.audits import assert_same
from tests.faults.disturbed import ROOT, Driver, arm, kill_often, markers, settings_of, until
from tests.object_stores.server import KEY, SECRET, contents, new_bucket, upload


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A data set and an undisturbed run on a file system, with its settings."""
    place = tmp_path_factory.mktemp("undisturbed")
    settings = settings_of(place / "data") | {"actors": 0, "out": str(place / "run")}
    audit(load_config(**settings))
    return place, settings


@pytest.fixture(scope="module")
def store(server, undisturbed):
    """A bucket with the data set."""
    bucket = new_bucket(server)
    upload(undisturbed[0] / "data", bucket / "data")
    return bucket


def drive(tmp_path, store, undisturbed, name, **fault):
    """Start an audit of the data set in the bucket, whose run lies in the bucket too."""
    settings = undisturbed[1] | {"data": str(store / "data"), "out": str(store / name)}
    return Driver(tmp_path / name, settings, **fault)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", [pytest.param("shard", marks=pytest.mark.fault), pytest.param("table", marks=pytest.mark.fault), "marker"]
)
def test_a_process_that_dies_while_it_writes(undisturbed, store, tmp_path, fault):
    arm(tmp_path, fault, times=2)
    for _ in range(2):
        code, text = drive(tmp_path, store, undisturbed, fault, FAULT=fault).wait()
        assert code == 1, text
    # what a rename would leave behind on a file system does not exist here: an object appears whole or not at all
    code, text = drive(tmp_path, store, undisturbed, fault).wait()
    assert code == 0, text
    assert_same(store / fault, undisturbed[0] / "run")


@pytest.mark.fault
def test_workers_of_ray_that_die_while_they_write(undisturbed, store, tmp_path):
    """The workers themselves open the store; in one run each fault ends one of them."""
    faults = ("shard", "table", "marker")
    arm(tmp_path, *faults, times=1)
    settings = undisturbed[1] | {"data": str(store / "data"), "out": str(store / "workers"), "actors": 2}
    code, text = Driver(tmp_path / "workers", settings, FAULT=",".join(faults)).wait()
    assert code == 0, text
    assert not list(tmp_path.glob("armed-*")), "a fault did not happen"
    assert_same(store / "workers", undisturbed[0] / "run")


@pytest.mark.fault
@pytest.mark.parametrize("stage", ["extract", "dissect"])
def test_a_node_that_dies(undisturbed, store, tmp_path, stage):
    name = f"node-{stage}"
    settings = undisturbed[1] | {"data": str(store / "data"), "out": str(store / name), "actors": 2}
    nodes = {"FAULT_NODES": "2,2", "FAULT_NODE": stage}
    code, text = Driver(tmp_path / name, settings, FAULT_DELAY="0.5", **nodes).wait()
    assert code == 0, text
    assert "node removed after" in text
    assert_same(store / name, undisturbed[0] / "run")


def killed(tmp_path, store, undisturbed, run, **fault):
    """Start a driver of a run whose last one is dead; nobody waits three heartbeats for who is known to be."""
    (run / "lock.json").unlink(missing_ok=True)
    return drive(tmp_path, store, undisturbed, run.name, **fault)


@pytest.mark.slow
def test_a_driver_killed_in_the_middle_is_resumed(undisturbed, store, tmp_path):
    run = store / "killed"
    driver = killed(tmp_path, store, undisturbed, run, FAULT_DELAY="0.2")
    until(driver, lambda: markers(run) >= 9)
    driver.process.send_signal(signal.SIGKILL)
    assert driver.wait()[0] == -signal.SIGKILL
    code, text = killed(tmp_path, store, undisturbed, run).wait()
    assert code == 0, text
    assert_same(run, undisturbed[0] / "run")


@pytest.mark.fault
def test_a_driver_killed_at_any_moment_is_resumed(undisturbed, store, tmp_path):
    start = partial(killed, tmp_path, store, undisturbed, FAULT_DELAY="0.2")
    run, units = kill_often(store, start, lambda run: assert_same(run, undisturbed[0] / "run"))
    assert len(set(units)) > 5, f"kills fell at few moments: finished units after each were {units}"
    code, text = killed(tmp_path, store, undisturbed, run).wait()
    assert code == 0, text
    assert_same(run, undisturbed[0] / "run")


@pytest.mark.slow
def test_credentials_are_kept_nowhere(undisturbed, store, tmp_path):
    """Neither what a run writes nor what it prints holds them, nor what a store that refuses them answers."""
    code, text = drive(tmp_path, store, undisturbed, "secret").wait()
    assert code == 0, text
    nowhere = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "filterscope", "status", str(store / "secret")]
    done = subprocess.run(command, env=nowhere, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    refused = done.stdout + done.stderr
    assert done.returncode == 1, refused
    assert "Look at AWS_ENDPOINT_URL" in refused
    assert "Traceback" not in refused
    written = contents(store / "secret") | contents(tmp_path)
    assert len(written) > 20
    for place, held in {**written, "printed": (text + refused).encode()}.items():
        assert KEY.encode() not in held, place
        assert SECRET.encode() not in held, place
