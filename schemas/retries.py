"""Requests to an object store that are sent again: a busy store, a lost connection or a slow answer costs time alone.

Each wait is drawn at random below a limit that doubles, so that workers which were refused together do not come back together.
"""

import random
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

Value = TypeVar("Value")

#: Times that a request is sent at most; seconds below which the first wait is drawn, and below which every wait is.
TRIES, FIRST, LONGEST = 9, 0.2, 15.0


class _Count:
    """Requests that this process sent again."""

    def __init__(self) -> None:
        self._lock, self._count, self._told = Lock(), 0, 0

    def add(self) -> None:
        with self._lock:
            self._count += 1

    def get(self) -> int:
        return self._count

    def take(self) -> int:
        with self._lock:
            new, self._told = self._count - self._told, self._count
        return new


_COUNT = _Count()


def retries() -> int:
    """Return how many requests to object stores this process sent again since it began."""
    return _COUNT.get()


def unreported() -> int:
    """Return how many of them nobody was told of yet; whoever asks tells of them, once for the process."""
    return _COUNT.take()


def retried(
    call: Callable[[], Value], passes: Callable[[Exception], bool], wait: Callable[[float], None] = time.sleep
) -> Value:
    """Return what a request gives, which is sent again while `passes` says so of its error; the last one is raised."""
    for number in range(TRIES - 1):
        try:
            return call()
        except Exception as error:
            if not passes(error):
                raise
        _COUNT.add()
        wait(random.uniform(0, min(FIRST * 2**number, LONGEST)))
    return call()


__all__ = ["FIRST", "LONGEST", "TRIES", "retried", "retries", "unreported"]
