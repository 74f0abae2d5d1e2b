"""A run folder has one holder; a silent one loses it, whatever the clocks and names of machines say."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import count

import pytest

from filterscope.pipeline.engine import lock
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.lock import LOCK, RunLock, read_holder

OTHER = {"token": "x", "host": "another host", "process": 1, "began": "2026-01-01T00:00:00+00:00"}


@pytest.fixture(params=["folder", "bucket"])
def run(request, tmp_path):
    """A run folder of a file system, and of an object store."""
    return tmp_path / "run" if request.param == "folder" else request.getfixturevalue("bucket") / "run"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.1)


def holding(where, lines=()):
    """Start a process that holds a run; `lines` are carried out before."""
    code = [
        "import os, socket, sys, time; from filterscope.pipeline.engine import lock",
        "from filterscope.pipeline.stores.places import path_of",
        f"lock.BEAT = {lock.BEAT}",
        *lines,
        f"held = lock.RunLock(path_of({str(where)!r})); held.__enter__(); print('held', flush=True)",
        "print(sys.stdin.readline(), held.lost, flush=True); held.__exit__()",
    ]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", "\n".join(code)], **pipes)
    assert process.stdout.readline() == "held\n"
    return process


def released(process):
    """Let a holder end; return whether it lost the run."""
    out, _ = process.communicate("\n", 30)
    return out.split()[-1]


def test_a_second_holder_is_refused_and_told_who_holds(run):
    with RunLock(run, "audit zoo.toml"):
        with pytest.raises(
            InputError, match=rf"process {os.getpid()} on .* has been running an audit on .*run since 20"
        ):
            RunLock(run).__enter__()
        assert read_holder(run)["command"] == "audit zoo.toml"
    assert not run.exists()
    with RunLock(run):
        pass


def test_the_lock_of_a_dead_process_is_taken_over_at_once(run, monkeypatch):
    process = holding(run)
    process.kill()
    process.communicate()
    monkeypatch.setattr(lock, "BEAT", 1e6)  # none is waited for
    monkeypatch.setattr(lock, "_LOOKS", 1e9)
    with RunLock(run):
        assert read_holder(run)["process"] == os.getpid()


def test_a_silent_holder_elsewhere_loses_the_lock_after_ten_beats(tmp_path, monkeypatch):
    now, looks, told = [0.0], [], []
    monkeypatch.setattr(lock, "BEAT", 3.0)
    monkeypatch.setattr(lock.time, "monotonic", lambda: now[0])

    def sleep(seconds):
        now[0] += seconds
        looks.append(read_holder(tmp_path)["token"])

    monkeypatch.setattr(lock.time, "sleep", sleep)
    (tmp_path / LOCK).write_text(json.dumps(OTHER))
    held = RunLock(tmp_path, tell=told.append)
    held._take_over()
    assert 30 < now[0] < 31
    assert set(looks) == {"x"}
    assert told == [
        f"process 1 on another host holds {tmp_path} and gives no sign of life; it is taken over after 30 s"
    ]
    assert not held.lost


def test_a_waiter_that_was_stopped_has_not_watched(tmp_path, monkeypatch):
    """After a pause of a whole machine the holder needs time to show that it lives."""
    now, looks = [0.0], []
    monkeypatch.setattr(lock.time, "monotonic", lambda: now[0])

    def sleep(seconds):
        now[0] += 1e9
        looks.append(seconds)

    monkeypatch.setattr(lock.time, "sleep", sleep)
    (tmp_path / LOCK).write_text(json.dumps(OTHER))
    RunLock(tmp_path)._take_over()
    assert 25 <= len(looks) <= 26


@pytest.mark.parametrize("skew", [60.0, -60.0, 1e9, -1e9])
def test_no_clock_evicts_a_holder(run, monkeypatch, skew):
    real, utime, ticks = time.time, os.utime, count()
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    # a file server whose clock is wrong
    monkeypatch.setattr(os, "utime", lambda path: utime(path, ns=(0, round((real() - skew) * 1e9) + next(ticks))))
    with RunLock(run) as held:
        for _ in range(3):
            with pytest.raises(InputError, match="has been running an audit"):
                RunLock(run).__enter__()
        assert not held.lost


@pytest.mark.parametrize("skew", [60.0, -60.0, 1e9, -1e9])
def test_no_clock_keeps_a_silent_holder(tmp_path, monkeypatch, skew):
    real = time.time
    monkeypatch.setattr(lock, "BEAT", 0.01)
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    (tmp_path / LOCK).write_text(json.dumps(OTHER))
    os.utime(tmp_path / LOCK, (0, real() - skew))
    with RunLock(tmp_path):
        assert read_holder(tmp_path)["process"] == os.getpid()


@pytest.mark.parametrize("life", ["['another kernel', 'pid:[1]', '1', '1']", "[]"])
def test_containers_with_one_host_name_and_process_id_do_not_evict_each_other(run, life):
    """In the other one the process has the number of one that is not here, or of this very one."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    for number in (ended.pid, os.getpid()):
        same = f"socket.gethostname, os.getpid = (lambda: {socket.gethostname()!r}), (lambda: {number})"
        process = holding(run, [same, f"lock._life = lambda: {life}"])
        with pytest.raises(InputError, match=rf"process {number} on {socket.gethostname()} has been running"):
            RunLock(run).__enter__()
        assert released(process) == "False"


def test_a_stopped_holder_loses_the_run_and_notices_when_it_goes_on(run):
    process = holding(run)
    process.send_signal(signal.SIGSTOP)
    with RunLock(run) as held:
        assert read_holder(run)["process"] == os.getpid()
        process.send_signal(signal.SIGCONT)
        assert released(process) == "True"
        assert not held.lost
        assert read_holder(run)["process"] == os.getpid()
    assert read_holder(run) is None


def test_a_holder_notices_before_its_next_renewal_that_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 1e6)
    with RunLock(tmp_path) as held:
        (tmp_path / LOCK).write_text(json.dumps(OTHER))
        assert not held.lost  # it was awake, and nobody takes over so soon
        later = time.monotonic() + 6e6
        monkeypatch.setattr(lock.time, "monotonic", lambda: later)
        assert held.lost


def test_a_holder_renews_its_lock_and_notices_that_it_lost_it(run):
    with RunLock(run) as held:
        first = lock.see(run / LOCK)
        wait_until(lambda: lock.see(run / LOCK) != first)
        assert not held.lost
        (run / LOCK).write_text(json.dumps(OTHER))
        wait_until(lambda: held.lost)
    # what another holds is not removed
    assert read_holder(run)["token"] == "x"


def test_a_holder_outlives_a_store_that_does_not_answer(tmp_path, monkeypatch):
    failures, see = [], lock.see

    def failing(path):
        if len(failures) < 3:
            failures.append(path)
            raise OSError("no answer")
        return see(path)

    with RunLock(tmp_path) as held:
        first = see(tmp_path / LOCK)
        monkeypatch.setattr(lock, "see", failing)
        wait_until(lambda: see(tmp_path / LOCK) != first)
        assert len(failures) == 3
        assert not held.lost


@pytest.mark.parametrize("torn", [b"", b"torn", b"[]", b"7", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_lock_keeps_nobody_out(tmp_path, torn):
    (tmp_path / LOCK).write_bytes(torn)
    with RunLock(tmp_path):
        assert read_holder(tmp_path)["process"] == os.getpid()


@pytest.mark.parametrize("life", [7, None, [], ["a"], [None] * 4, ["x", "y", "z", "w"], {"a": 1}, [[]] * 4])
def test_a_lock_whose_process_is_written_wrongly_is_waited_for(tmp_path, monkeypatch, life):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    (tmp_path / LOCK).write_text(json.dumps(OTHER | {"life": life}))
    assert not lock.dead(read_holder(tmp_path))
    with RunLock(tmp_path):
        pass


def test_links_and_folders_are_no_locks(tmp_path):
    for make in (lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("gone"), lambda p: p.mkdir()):
        make(tmp_path / LOCK)
        with pytest.raises(InputError, match=r"lock\.json is no lock file \(.*\); remove it"):
            RunLock(tmp_path).__enter__()
        (tmp_path / LOCK).rmdir() if (tmp_path / LOCK).is_dir() else (tmp_path / LOCK).unlink()


def test_of_many_that_take_over_one_holds(run):
    run.mkdir(exist_ok=True)
    (run / LOCK).write_text("torn")
    held, start, finish = [], threading.Barrier(8), threading.Barrier(8)

    def take():
        start.wait()
        try:
            with RunLock(run):
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
