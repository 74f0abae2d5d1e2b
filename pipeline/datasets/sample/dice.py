"""Random choices whose stream is the same with every version of every library.

NumPy promises stable streams for its bit generators alone, so whole numbers are made from raw bits here.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_CHUNK = 256


class Dice:
    """A stream of choices named by whole numbers, such as a seed and an image.

    Parameters
    ----------
    *name : int
        What the stream belongs to; equal names give equal streams. Not negative.
    """

    def __init__(self, *name: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(name))
        self._ready: list[int] = []

    def _raw(self) -> int:
        if not self._ready:
            self._ready = self._bits.random_raw(_CHUNK).tolist()
        return self._ready.pop()

    def below(self, stop: int) -> int:
        """Return one of 0, 1, ..., stop - 1."""
        return self._raw() * stop >> 64

    def between(self, low: int, high: int) -> int:
        """Return one of low, low + 1, ..., high."""
        return low + self.below(high - low + 1)

    def chance(self, probability: float) -> bool:
        """Return True with a probability; one number of the stream is used whatever the probability."""
        return (self._raw() >> 11) * 2.0**-53 < probability

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def several(self, choices: Sequence[T], count: int) -> list[T]:
        """Return `count` different ones of the choices, in random order."""
        left = list(choices)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def bytes(self, count: int) -> np.ndarray:
        """Return an array of `count` random bytes (uint8)."""
        raw = self._bits.random_raw(-(-count // 8))
        return raw.astype("<u8").view(np.uint8)[:count]
