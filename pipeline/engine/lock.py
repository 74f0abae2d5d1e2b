"""Only one audit at a time works on a run folder: it holds a lock file, renews it regularly, and loses it if it stops.

The holder is a random token. That it lives is judged by whether its lock changes while another process watches, for as long
as that process itself was awake: no clock of one machine is compared with that of another, and no host name and process id
with those of another container.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Set
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.stores.places import Seen, StoreError, create, renew, replace_seen, see

LOCK = "lock.json"

#: Seconds between two renewals; a lock that is not renewed for ten of them is abandoned.
BEAT = 3.0
_MISSED = 10
#: Looks at the lock of another between two renewals.
_LOOKS = 5


class RunLock:
    """Held while an audit works on a run folder.

    Parameters
    ----------
    run : Path
        The run folder; made if it is not there.
    command : str
        What the holder is doing, shown to those it keeps out.
    tell : callable
        Told in a sentence when the lock of another is watched, for half a minute at most.

    Raises
    ------
    InputError
        On entering, if another audit holds the lock; it names the holder.
    """

    def __init__(self, run: Path, command: str = "", tell: Callable[[str], None] = lambda text: None) -> None:
        self._path = run / LOCK
        self._tell = tell
        self._holder: dict[str, Any] = {
            "token": uuid.uuid4().hex,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "life": _life(),
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "beat": 0,
        }
        self._done = threading.Event()
        self._lost = False
        self._renewed = 0.0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not create(self._path, self._content()):
            self._take_over()
        self._renewed = time.monotonic()
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        with suppress(OSError):  # an abandoned lock keeps nobody out for long
            if self._mine(see(self._path)):
                self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._path.parent.rmdir()  # a run that was refused leaves nothing

    @property
    def lost(self) -> bool:
        """Whether another audit took over the lock because this one did not renew it for too long.

        A process that was stopped for so long looks at once, before its next renewal.
        """
        if not self._lost and time.monotonic() - self._renewed > _MISSED * BEAT / 2:
            with suppress(OSError):
                self._lost = not self._mine(see(self._path))
        return self._lost

    def _take_over(self) -> None:
        """Take the lock of a holder that is dead or silent; InputError once it shows that it lives."""
        first, silent, before, told = self._look(), 0.0, time.monotonic(), False
        while True:
            seen = self._look()
            holder = None if seen is None else _read(seen.data)
            if seen is None:
                if create(self._path, self._content()):
                    return
            elif holder is None or dead(holder) or silent > _MISSED * BEAT:
                if replace_seen(self._path, self._content(), seen):
                    return
            elif seen != first:
                raise InputError(
                    f"process {holder['process']} on {holder['host']} has been running an audit on {self._path.parent} since "
                    f"{holder['began']}; wait for it, or stop it first"
                )
            elif silent > BEAT and not told:
                told = True
                self._tell(
                    f"process {holder['process']} on {holder['host']} holds {self._path.parent} and gives no sign of life; "
                    f"it is taken over after {_MISSED * BEAT:.0f} s"
                )
            time.sleep(BEAT / _LOOKS)
            now = time.monotonic()
            # a process that was asleep has not watched
            silent, before = silent + min(now - before, 2 * BEAT / _LOOKS), now

    def _look(self) -> Seen | None:
        try:
            return see(self._path)
        except StoreError:
            raise
        except OSError as error:
            raise InputError(f"{self._path} is no lock file ({error.strerror}); remove it") from error

    def _beat(self) -> None:
        while not self._done.wait(BEAT):
            with suppress(OSError):  # a store that does not answer is asked again at the next beat
                seen = see(self._path)
                if seen is None or not self._mine(seen):
                    self._lost = True
                    return
                self._holder["beat"] += 1
                renew(self._path, self._content(), seen)
                self._renewed = time.monotonic()

    def _content(self) -> bytes:
        return json.dumps(self._holder).encode()

    def _mine(self, seen: Seen | None) -> bool:
        holder = None if seen is None else _read(seen.data)
        return holder is not None and holder["token"] == self._holder["token"]


def read_holder(run: Path) -> dict[str, Any] | None:
    """Return who holds a run, `process` and `host` at least; None if nobody does."""
    try:
        seen = see(run / LOCK)
    except OSError:
        return None
    return None if seen is None else _read(seen.data, {"host", "process"})


def _read(data: bytes, stated: Set[str] = frozenset({"token", "host", "process", "began"})) -> dict[str, Any] | None:
    """Return the holder that a lock names, or None if the file is not a lock."""
    try:
        holder = json.loads(data)
        return holder if stated <= holder.keys() else None
    except (ValueError, AttributeError, RecursionError):
        return None


def _life() -> list[str]:
    """Return what no other process shares: start of the kernel, namespace of processes, process id and start in it.

    Empty where the system does not tell.
    """
    try:
        process = os.readlink("/proc/self")
        return [*_kernel(), process, _start(process)]
    except OSError:
        return []


def _kernel() -> list[str]:
    return [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]


def _start(process: str) -> str:
    """Return when a process started, in ticks of the kernel."""
    # the name of the program, in parentheses, may hold anything
    return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]


def dead(holder: dict[str, Any]) -> bool:
    """Tell whether a holder is known to be dead: a process of this very kernel and namespace that is no longer there."""
    try:
        *kernel, process, start = holder["life"]
        if kernel != _kernel():
            return False
        os.kill(int(process), 0)
        return _start(process) != start
    except ProcessLookupError:
        return True
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return False


__all__ = ["BEAT", "LOCK", "RunLock", "dead", "read_holder"]
