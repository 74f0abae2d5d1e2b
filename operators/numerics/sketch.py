"""Arrays compared by a few numbers each: their norm, and sums of their values under fixed random signs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Sequences of signs, a bit of a byte each.
_SIGNS = 8


def sketch(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the norm of values, and their sums under eight fixed sequences of signs as shares of it; () if not finite.

    Parameters
    ----------
    values : float64 ndarray of any shape
        The signs depend on its size alone.
    """
    flat = values.ravel()
    norm = float(np.sqrt(np.dot(flat, flat)))
    if not np.isfinite(norm):
        return ()
    bits = np.random.default_rng(flat.size).integers(0, 256, flat.size, np.uint8)
    sums = (2 * float(flat[(bits >> bit & 1) == 1].sum()) - float(flat.sum()) for bit in range(_SIGNS))
    return (norm, *(total / norm if norm else 0.0 for total in sums))


def alike(one: Sequence[float], other: Sequence[float], noise: float) -> bool:
    """Tell whether two sketches are of the same values but for float noise; one that is not known is like any.

    Values that differ by a share s of their norm have sketches that differ by about s in each number.
    """
    if not one or not other:
        return True
    if not one[0] or not other[0]:
        return one[0] == other[0]
    return abs(one[0] / other[0] - 1) <= noise and all(
        abs(a - b) <= noise * 4 for a, b in zip(one[1:], other[1:], strict=True)
    )


__all__ = ["alike", "sketch"]
