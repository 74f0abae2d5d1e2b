"""Leases: pieces of work that travel to a worker together.

Ray spends 30 to 40 ms on a row of a Dataset, and its driver keeps statistics of each for the Dataset's lifetime. Where pieces
are many and short, some seconds of them make one row; a worker carries them out and marks them one by one, so that no more
than one is lost with a worker.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice

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
    """Puts a stream of pieces into leases by what the last ones took; pieces that share something are not parted.

    Parameters
    ----------
    works : iterable of Work
        In the order in which they should start.
    workers : int
        How many can be at work at the same time.
    """

    def __init__(self, works: Iterable[Work], workers: int) -> None:
        self._groups = sharers(works)
        self._workers = workers
        self._count, self._seconds = 0, 0.0

    def note(self, seconds: float) -> None:
        """Take note of what a piece of the last Dataset took."""
        self._seconds += seconds

    def datasets(self) -> Iterator[list[Lease]]:
        """Yield the leases of one Dataset after the other; what is noted meanwhile decides on the next."""
        alone = list(islice(self._groups, ALONE))
        self._count = len(alone)
        if alone:
            yield alone
        while groups := list(islice(self._groups, min(PIECES, LEASES * self._size()))):
            size = self._size()
            self._count, self._seconds = len(groups), 0.0
            yield list(_cut(groups, size, self._workers))

    def _size(self) -> int:
        """Return how many groups make a lease."""
        return max(1, int(SECONDS * self._count / self._seconds)) if self._seconds else PIECES


def sharers(works: Iterable[Work]) -> Iterator[Lease]:
    """Yield the pieces that follow each other and share something together, all others alone."""
    for _, found in groupby(enumerate(works), key=lambda item: item[1].shares or item[0]):
        yield tuple(work for _, work in found)


def _cut(groups: list[Lease], size: int, workers: int) -> Iterator[Lease]:
    """Cut groups into leases of at most `size`, shorter towards the end, where workers would wait for the last."""
    start = 0
    while start < len(groups):
        length = min(size, -(-(len(groups) - start) // (_EACH * workers)))
        yield tuple(chain.from_iterable(groups[start : start + length]))
        start += length


__all__ = ["Lease", "Leases", "sharers"]
