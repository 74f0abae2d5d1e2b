"""How a command ends: exit codes, signals, streams that are not there. Every end but a good one has a sentence."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from filterscope.jobs.terminal import say
from filterscope.pipeline.engine.errors import InputError, RunError, is_full, is_out_of_memory

_SAVED = "finished work is saved, the same command resumes it"

#: Signals that ask a command to stop, as batch systems, containers and closed terminals send them.
_STOPPING = (signal.SIGTERM, signal.SIGHUP)

#: Packages that read tables, and are imported where they are needed; a panic of Polars is no Exception.
_TABLES = ("polars", "pyarrow", "pyo3_runtime")


class Stopped(KeyboardInterrupt):
    """A signal asked the command to stop; what Ctrl-C leaves undone is left undone."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def ending() -> Iterator[None]:
    """Turn what a command raises into its last line and its exit code.

    0 done; 1 failed, with finished work saved; 2 bad usage or input; 130 interrupted by Ctrl-C; 128 + N stopped by signal N,
    which is 143 for SIGTERM and 129 for SIGHUP.
    """
    _open_streams()
    stopped: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopped.append(number)
        raise Stopped(number)

    before = {
        number: signal.signal(number, stop) for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    except SystemExit as end:  # typer makes one of a KeyboardInterrupt
        if end.code != 130:
            raise
        code = 128 + stopped[0] if stopped else 130
        say(f"{f'stopped by {signal.Signals(stopped[0]).name}' if stopped else 'interrupted'}; {_SAVED}")
        raise SystemExit(code) from None
    except BrokenPipeError:
        # nobody reads on, as in `| head`; what Python flushes at exit would fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(128 + signal.SIGPIPE) from None
    except BaseException as error:
        table = type(error).__module__.partition(".")[0] in _TABLES
        if not isinstance(error, Exception) and not table:
            raise
        say(f"error: {_of_table(error) if table else _said(error)}")
        raise SystemExit(2 if table or isinstance(error, InputError) else 1) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _of_table(error: BaseException) -> str:
    reason = (str(error) or type(error).__name__).splitlines()[0][:300]
    return f"a table cannot be read ({reason}); `filterscope doctor RUN` says which"


def _said(error: BaseException) -> str:
    """Return what went wrong and what to do; a fault of the program comes with its traceback."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, RunError):
        return f"{error}\nFinished work is saved; the same command resumes it."
    if is_out_of_memory(error):
        return f"out of memory ({error}); use fewer --actors or a smaller --batch-size; {_SAVED}"
    if isinstance(error, OSError):
        from filterscope.pipeline.stores.places import StoreError
        from filterscope.pipeline.stores.promises import DamagedError

        if isinstance(error, DamagedError):
            return str(error)
        if isinstance(error, StoreError):
            return f"{error}\nLook at AWS_ENDPOINT_URL, AWS_REGION and the credentials in the environment; {_SAVED}."
        if is_full(error):
            return f"{error}\nMake space; {_SAVED}."
        if error.strerror:
            place = "" if error.filename is None else f": {os.fsdecode(error.filename)}"
            return f"{error.strerror}{place}\nCheck the path, and who may read and write it; {_SAVED}."
        return f"{error}\nIf it is a file of a run, `filterscope doctor RUN` says what it means; {_SAVED}."
    if isinstance(error, UnicodeEncodeError):
        return f"a name is not Unicode text ({error.object!r:.200}); rename the file or folder"
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error}\nThis is a fault of filterscope: please report it with the lines above; {_SAVED}."


def _open_streams() -> None:
    """Open streams that the caller closed, and let every text be written, whatever the locale can hold."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


__all__ = ["Stopped", "ending"]
