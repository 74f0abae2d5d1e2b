"""Only one audit at a time works on a run folder: it holds a lock file, touches it regularly, and loses it if it stops."""

import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.stores.places import create, renew

LOCK = "lock.json"

#: Seconds between two touches; a lock that was not touched for three of them is stale.
BEAT = 10.0
_MISSED = 3


class RunLock:
    """Held while an audit works on a run folder.

    Parameters
    ----------
    run : Path
        The run folder; made if it is not there.
    command : str
        What the holder is doing, shown to those it keeps out.

    Raises
    ------
    InputError
        On entering, if another audit holds the lock; it names the holder.
    """

    def __init__(self, run: Path, command: str = "") -> None:
        self._path = run / LOCK
        self._token = uuid.uuid4().hex
        self._holder = {
            "token": self._token,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
        }
        self._done = threading.Event()
        self._lost = False

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while not create(self._path, json.dumps(self._holder).encode()):
            holder = _read(self._path)
            if holder is not None and not _abandoned(self._path, holder):
                raise InputError(
                    f"process {holder['process']} on {holder['host']} has been running an audit on {self._path.parent} since "
                    f"{holder['began']}; wait for it, or stop it first"
                )
            self._take_away()
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._mine():
            self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._path.parent.rmdir()  # a run that was refused leaves nothing

    @property
    def lost(self) -> bool:
        """Whether another audit took over the lock because this one did not touch it for too long."""
        return self._lost

    def _take_away(self) -> None:
        """Remove an abandoned lock; only the holder of the claim may, so that nobody removes the lock of the other process."""
        claim = self._path.with_name(f".{LOCK}.claim")
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            with suppress(FileNotFoundError):
                if time.time() - claim.stat().st_mtime > _MISSED * BEAT:
                    claim.unlink()
            time.sleep(0.01)
            return
        try:
            holder = _read(self._path)
            if holder is None or _abandoned(self._path, holder):
                self._path.unlink(missing_ok=True)
        finally:
            claim.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._done.wait(BEAT):
            if not self._mine():
                self._lost = True
                return
            with suppress(FileExistsError, FileNotFoundError):  # just taken over; the next beat finds out
                renew(self._path)

    def _mine(self) -> bool:
        holder = _read(self._path)
        return holder is not None and holder["token"] == self._token


def _read(path: Path) -> dict[str, Any] | None:
    """Return who holds a lock, or None if nobody does any more or the file is not a lock."""
    try:
        holder = json.loads(path.read_text())
        return holder if {"token", "host", "process", "began"} <= holder.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _abandoned(path: Path, holder: dict[str, Any]) -> bool:
    if holder["host"] == socket.gethostname() and not _alive(holder["process"]):
        return True
    try:
        return time.time() - path.stat().st_mtime > _MISSED * BEAT
    except FileNotFoundError:
        return True


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
