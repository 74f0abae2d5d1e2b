"""A run folder has one holder; a silent one loses it."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from filterscope.pipeline.engine import lock
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.lock import LOCK, RunLock


def test_a_second_holder_is_refused_and_told_who_holds(tmp_path):
    with RunLock(tmp_path / "run", "audit zoo.toml"):
        with pytest.raises(
            InputError, match=rf"process {os.getpid()} on .* has been running an audit on .*run since 20"
        ):
            RunLock(tmp_path / "run").__enter__()
        assert json.loads((tmp_path / "run" / LOCK).read_text())["command"] == "audit zoo.toml"
    assert not (tmp_path / "run").exists()
    with RunLock(tmp_path / "run"):
        pass


def test_the_lock_of_a_dead_process_is_taken_over_at_once(tmp_path):
    code = (
        "import os; from pathlib import Path; from filterscope.pipeline.engine.lock import RunLock\n"
        f"RunLock(Path({str(tmp_path)!r})).__enter__(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert (tmp_path / LOCK).exists()
    with RunLock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()


def test_a_silent_holder_elsewhere_loses_the_lock_after_three_beats(tmp_path):
    holder = {"token": "x", "host": "another host", "process": 1, "began": "2026-01-01T00:00:00+00:00"}
    (tmp_path / LOCK).write_text(json.dumps(holder))
    now = time.time()
    os.utime(tmp_path / LOCK, (now, now - 2.5 * lock.BEAT))
    with pytest.raises(InputError, match="process 1 on another host"):
        RunLock(tmp_path).__enter__()
    os.utime(tmp_path / LOCK, (now, now - 3.5 * lock.BEAT))
    with RunLock(tmp_path):
        pass


def test_a_holder_touches_its_lock_and_notices_that_it_lost_it(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    with RunLock(tmp_path) as held:
        os.utime(tmp_path / LOCK, (0, 0))
        wait_until(lambda: (tmp_path / LOCK).stat().st_mtime > 0)
        assert not held.lost
        other = json.loads((tmp_path / LOCK).read_text()) | {"token": "another"}
        (tmp_path / LOCK).write_text(json.dumps(other))
        wait_until(lambda: held.lost)
    # what another holds is not removed
    assert json.loads((tmp_path / LOCK).read_text())["token"] == "another"


def test_of_many_that_take_over_one_holds(tmp_path):
    (tmp_path / LOCK).write_text("torn")
    held, start, finish = [], threading.Barrier(8), threading.Barrier(8)

    def take():
        start.wait()
        try:
            with RunLock(tmp_path):
                held.append(1)
                finish.wait()
        except InputError:
            finish.wait()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1


def wait_until(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
