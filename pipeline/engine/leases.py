"""Leases: pieces of work that travel to a worker together.

Ray spends 30 to 40 ms on a row of a Dataset, and its driver keeps statistics of each for the Dataset's lifetime. Where pieces
are many and short, some seconds of them make one row; a worker carries them out and marks them one by one, so that no more
than one is lost with a worker.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from filterscope.pipeline.engine.stage import Work

#: Pieces that travel alone, as all do in a small run; what they take says how many of those that follow make a lease.
ALONE = 256
#: Seconds of work in a lease.
SECONDS = 20.0
#: Pieces of one Dataset, and leases: the driver holds both.
PIECES, LEASES = 100_000, 20_000
#: Leases that a Dataset has at least for each worker that can be at work.
_EACH = 4

Lease = tuple[Work, ...]


class Leases:
    """Puts a stream of pieces into leases by what the last ones took.

    Parameters
    ----------
    works : iterable of Work
        In the order in which they should start.
    workers : int
        How many can be at work at the same time.
    """

    def __init__(self, works: Iterable[Work], workers: int) -> None:
        self._works = iter(works)
        self._workers = workers
        self._pieces, self._seconds = 0, 0.0

    def note(self, seconds: float) -> None:
        """Take note of what a piece took."""
        self._pieces += 1
        self._seconds += seconds

    def datasets(self) -> Iterator[list[Lease]]:
        """Yield the leases of one Dataset after the other; what is noted meanwhile decides on the next."""
        alone: list[Lease] = [(work,) for work in islice(self._works, ALONE)]
        if alone:
            yield alone
        while works := list(islice(self._works, self._share())):
            size = self._size()
            self._pieces, self._seconds = 0, 0.0
            yield list(_cut(works, size, self._workers))

    def _size(self) -> int:
        """Return how many pieces make a lease."""
        return max(1, int(SECONDS * self._pieces / self._seconds)) if self._seconds else PIECES

    def _share(self) -> int:
        return min(PIECES, LEASES * self._size())


def _cut(works: list[Work], size: int, workers: int) -> Iterator[Lease]:
    """Cut pieces into leases of at most `size`, shorter towards the end, where workers would wait for the last."""
    start = 0
    while start < len(works):
        length = min(size, -(-(len(works) - start) // (_EACH * workers)))
        yield tuple(works[start : start + length])
        start += length


__all__ = ["Lease", "Leases"]
