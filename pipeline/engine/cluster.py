"""Joining a Ray cluster: one that does not answer is told of, and signals stay with the command."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from filterscope.pipeline.engine.errors import InputError, RunError

#: Seconds that a cluster has to answer; Ray itself would try for minutes, without a word.
ANSWER = 30


def refuse_silent(address: str | None) -> None:
    """Raise InputError unless something answers where a cluster is named: first the port, then Ray."""
    found = re.fullmatch(r"(?P<client>ray://)?\[?(?P<host>[^/\s]+?)\]?:(?P<port>\d+)", address or "")
    if address in (None, "", "local"):
        return
    why = ""
    try:
        if found:
            socket.create_connection((found["host"], int(found["port"])), timeout=ANSWER).close()
        if not found or not found["client"]:
            command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", str(address)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, check=False)
            why = "" if done.returncode == 0 else (done.stderr or done.stdout).strip().splitlines()[-1:][0]
    except subprocess.TimeoutExpired:
        why = f"nothing that speaks Ray answered in {ANSWER} s"
    except (OSError, OverflowError) as error:
        why = f"{getattr(error, 'strerror', None) or error}"
    if why:
        raise InputError(
            f"no Ray cluster at {address} ({why}); start it, correct RAY_ADDRESS, or unset it to work on this machine alone"
        )


def watch(address: str, going_on: Callable[[], bool], every: float = 5.0) -> None:
    """Say so once a cluster's head has not answered for `ANSWER` seconds; Ray ends the process after a minute, in silence.

    Parameters
    ----------
    address : str
        HOST:PORT of the head.
    going_on : callable
        Whether there is still something to watch.
    every : float
        Seconds between two looks.
    """
    host, _, port = address.rpartition(":")
    heard = time.monotonic()
    while going_on():
        with suppress(OSError):
            socket.create_connection((host.strip("[]"), int(port)), timeout=every).close()
            heard = time.monotonic()
        if time.monotonic() - heard > ANSWER:
            sys.stderr.write(
                f"error: the head of the Ray cluster at {address} has not answered for {ANSWER} s, and Ray is about to end "
                "this process. Finished work is saved; the same command resumes it.\n"
            )
            return
        time.sleep(every)


@contextmanager
def own_signals() -> Iterator[None]:
    """Keep the handlers of signals, which Ray replaces by ones that end the process on the spot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def starting() -> Iterator[None]:
    """Raise RunError, which says what is known, where Ray gives up its start: it knows one class for whatever happens to it."""
    try:
        yield
    except Exception as error:
        if type(error) not in (Exception, RuntimeError, ConnectionError, TimeoutError):
            raise
        said = " ".join(str(error).split())[:300]
        raise RunError(
            f"Ray did not start, with a load of {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors: {said} Finished work "
            "is saved; the same command resumes it."
        ) from error


__all__ = ["ANSWER", "own_signals", "refuse_silent", "starting", "watch"]
