"""What a row of the bench is, and how it is timed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time


@dataclass(frozen=True)
class Row:
    """One measured value.

    Attributes
    ----------
    name, unit : str
        What was measured, and in what.
    value : float
        The measurement.
    peer : str
        What it is held against: a peer's value or a limit of the machine.
    ratio : float, optional
        How many times better than the peer; or the share of the limit.
    target : str
        The ratio asked for, such as ``>= 20``.
    """

    name: str
    value: float
    unit: str
    peer: str = ""
    ratio: float | None = None
    target: str = ""


def interleaved(
    runs: Sequence[Callable[[], object]], *, repeats: int = 5, clock: Callable[[], float] = process_time
) -> list[float]:
    """Return each run's shortest time in seconds, the runs taking turns so that a busy machine slows all alike.

    The clock counts the process's own CPU time, since a core may be shared; give another for work that waits. A first turn
    is not counted: it compiles and fills caches.
    """
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(repeats + 1):
        for run, taken in zip(runs, times, strict=True):
            began = clock()
            run()
            if turn:
                taken.append(clock() - began)
    return [min(taken) for taken in times]
