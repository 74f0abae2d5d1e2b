"""Requests to an object store that are sent again: a busy store, a lost connection or a slow answer costs time alone.

Each wait is drawn at random below a limit that doubles, so that workers which were refused together do not come back together.
"""

import random
import re
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

Value = TypeVar("Value")

#: Times that a request is sent at most; seconds below which the first wait is drawn, and below which every wait is.
TRIES, FIRST, LONGEST = 9, 0.2, 15.0

#: What passes: 429 and 5xx of the store, and connections that break, stall or are not made.
_PASSING = re.compile(r"status code: (?:429|5\d\d)\b|HTTP error:")


class _Count:
    """Requests that this process sent again."""

    def __init__(self) -> None:
        self._lock, self._count = Lock(), 0

    def add(self) -> None:
        with self._lock:
            self._count += 1

    def get(self) -> int:
        return self._count


_COUNT = _Count()


def retries() -> int:
    """Return how many requests to object stores this process sent again since it began."""
    return _COUNT.get()


def passes(error: Exception) -> bool:
    """Tell whether a request that failed may succeed when it is sent again."""
    from obstore.exceptions import GenericError

    return isinstance(error, GenericError) and _PASSING.search(str(error)) is not None


def retried(call: Callable[[], Value], wait: Callable[[float], None] = time.sleep) -> Value:
    """Return what a request gives, which is sent again while it fails in a way that passes; the last error is raised."""
    for number in range(TRIES - 1):
        try:
            return call()
        except Exception as error:
            if not passes(error):
                raise
        _COUNT.add()
        wait(random.uniform(0, min(FIRST * 2**number, LONGEST)))
    return call()


__all__ = ["FIRST", "LONGEST", "TRIES", "passes", "retried", "retries"]
