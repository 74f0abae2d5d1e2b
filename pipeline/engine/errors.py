"""Errors that a user can act on."""

import difflib
import errno
from collections.abc import Iterable
from itertools import islice

#: Names that are compared with a wrong one, and characters of each: comparing takes time.
_COMPARED, _LONGEST = 1000, 200


class InputError(ValueError):
    """What was asked for cannot be done as asked; the message says what was received and what to do (exit code 2)."""


class DamagedRecordError(InputError):
    """A file that filterscope wrote is not as it was written; the message says which and how to get it back."""


class RunError(RuntimeError):
    """A run stopped with its finished work saved (exit code 1)."""


def is_full(error: BaseException) -> bool:
    """Tell whether an error says that a disk or a quota is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the host or a GPU ran out of memory."""
    # torch, which must not be imported for this, has a class of its own for GPUs and a plain RuntimeError for CPUs
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def did_you_mean(wrong: str, valid: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest valid name, or an empty string."""
    near = difflib.get_close_matches(wrong[:_LONGEST], [name[:_LONGEST] for name in islice(valid, _COMPARED)], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
