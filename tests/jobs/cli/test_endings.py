"""A command that ends badly says so in a sentence, whatever ended it, and has the exit code that is documented."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from filterscope import schemas
from filterscope.jobs.cli.endings import ending
from filterscope.pipeline.engine import cluster
from filterscope.pipeline.engine.cluster import refuse_silent
from filterscope.pipeline.engine.errors import InputError, RunError
from tests import planted

#: An audit that waits in its first stage, so that it can be stopped.
WAITING = """
import sys, time
from filterscope.jobs.cli import main
from filterscope.pipeline.engine import runner
def wait(self, *stage):
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(4)
runner.LocalRunner.run = wait
main.main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("no such thing; do this"), 2, "error: no such thing; do this\n"),
        (RunError("a worker died"), 1, "error: a worker died\nFinished work is saved; the same command resumes it.\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 1, "error: Permission denied: /x/y\n"),
        (OSError(errno.EROFS, "Read-only file system", b"/x/\xff"), 1, "error: Read-only file system: /x/\\udcff\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: [Errno 28] No space left on device\nMake space"),
        (OSError(errno.EMFILE, "Too many open files"), 1, "error: Too many open files\nCheck"),
        (MemoryError(), 1, "error: out of memory"),
        (
            UnicodeEncodeError("utf-8", "/x/\udcff", 3, 4, "surrogates"),
            1,
            "error: a name is not Unicode text ('/x/\\udcff')",
        ),
        (ZeroDivisionError("of ours"), 1, "error: ZeroDivisionError: of ours\nThis is a fault of filterscope"),
    ],
)
def test_every_failure_has_a_sentence_and_its_code(capsys, error, code, said):
    with pytest.raises(SystemExit) as stop, ending():
        raise error
    assert stop.value.code == code
    err = capsys.readouterr().err
    assert said in err
    assert ("Traceback" in err) == isinstance(error, ZeroDivisionError)


def test_what_an_error_quotes_is_not_obeyed(capsys):
    with pytest.raises(SystemExit), ending():
        raise InputError("no concept '\x1b[2J'")
    assert capsys.readouterr().err == "error: no concept '\\x1b[2J'\n"


AUDIT = (
    "audit",
    "--model",
    "torchvision:squeezenet1_1@random:0",
    "--layers",
    "features.0",
    "--actors",
    "0",
    "--device",
    "cpu",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("endings") / "data"
    planted.write_dataset(folder, images=12)
    return folder


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        (signal.SIGINT, 130),
    ],
)
@pytest.mark.slow
def test_a_signal_ends_a_run_as_ctrl_c_does(data, tmp_path, number, code):
    command = [sys.executable, "-c", WAITING, *AUDIT, "--data", str(data), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert any(line == "waiting\n" for line in process.stderr)
    process.send_signal(number)
    said = process.stderr.read()
    assert process.wait(30) == code, said
    how = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
    assert f"{how}; finished work is saved, the same command resumes it\n" in said
    assert schemas.scan_runs(tmp_path / "run").collect()["outcome"].to_list() == ["interrupted"]


def test_an_ignored_hang_up_stays_ignored():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with ending():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def run_closed(closed, *arguments, **environment):
    """Run the command line by a shell that closes some streams."""
    command = [sys.executable, "-m", "filterscope", *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.slow
def test_with_all_streams_closed_an_audit_is_whole(data, tmp_path):
    done = run_closed("<&- >&- 2>&-", *AUDIT, "--methods", "dissection", "--data", data, "--out", tmp_path / "run")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert schemas.scan_units(tmp_path / "run").collect().height == 64
    assert schemas.scan_runs(tmp_path / "run").collect()["outcome"].to_list() == ["done"]


@pytest.mark.slow
def test_where_nobody_reads_on_nothing_is_said(tmp_path, data):
    script = f'"{sys.executable}" -m filterscope layers torchvision:squeezenet1_1@random:0 | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False, text=True)
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr.lower()


def test_a_locale_that_cannot_write_a_name_does_not_stop_the_answer(tmp_path, data):
    folder = tmp_path / "caf\u00e9"
    done = run_closed("", "query", folder, "show tables", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: no run at ")
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
def test_a_path_that_is_no_unicode_is_told(data, tmp_path):
    out = os.fsencode(tmp_path) + b"/run-\xff"
    command = [sys.executable, "-m", "filterscope", *AUDIT, "--data", str(data), "--out", out]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (1, 2)
    assert b"error: " in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(data, tmp_path):
    tmp_path.chmod(0o500)
    done = run_closed("", *AUDIT, "--data", data, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert b"error: Permission denied: " in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "nowhere.invalid:6379", "[::1]:9"])
def test_a_cluster_that_does_not_answer_is_told_at_once(address):
    began = time.monotonic()
    with pytest.raises(InputError, match=r"^no Ray cluster at .* \(.+\); start it, correct RAY_ADDRESS, or unset it"):
        refuse_silent(address)
    assert time.monotonic() - began < 60


def test_what_answers_but_is_no_ray_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(InputError, match=rf"at 127.0.0.1:{port} \(nothing that speaks Ray answered in 3 s\)"):
            refuse_silent(f"127.0.0.1:{port}")


def test_a_head_that_falls_silent_is_told_of_before_ray_ends_the_process(monkeypatch, capsys):
    monkeypatch.setattr(cluster, "ANSWER", 0.3)
    looks = iter([True] * 50 + [False])
    with socket.create_server(("127.0.0.1", 0), backlog=100) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        cluster.watch(address, lambda: next(looks), every=0.01)
    assert capsys.readouterr().err == ""
    cluster.watch(address, lambda: True, every=0.01)
    assert f"error: the head of the Ray cluster at {address} has not answered for" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [Exception, RuntimeError, ConnectionError])
def test_ray_that_gives_up_its_start_is_told_of_in_a_sentence(kind):
    """As on a machine that does too much else: Ray waits 30 s for its own processes."""
    told = r"^Ray did not start, with a load of \d+ on \d+ processors: The node timed out\. Finished work is saved"
    with pytest.raises(RunError, match=told), cluster.starting():
        raise kind("The node\n  timed out.")
    with pytest.raises(ZeroDivisionError), cluster.starting():  # a fault of ours stays one
        1 / 0  # noqa: B018
