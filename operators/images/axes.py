"""Which axes of an output follow the rows and the columns of an image, found by changing a quarter of it at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: How far the centre of a change moves at least along an axis that is rows or columns, as a share of the axis.
_FOLLOWS = 0.02

#: How much farther it moves at most along one of the two than along the other. The heads of an attention map may move a
#: little with its columns, which leave the order of the tokens nearly as it is.
_ALIKE = 4


def quartered(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image and four copies with a quarter of `other`: upper left, upper right, lower left, lower right.

    Parameters
    ----------
    one, other : uint8 ndarray of shape (height, width, channels)

    Returns
    -------
    uint8 ndarray of shape (5, height, width, channels)
    """
    copies = np.stack([one] * 5)
    rows, columns = ((slice(extent // 2), slice(extent // 2, None)) for extent in one.shape[:2])
    for copy, (down, right) in zip(copies[1:], np.ndindex(2, 2), strict=True):
        copy[rows[down], columns[right]] = other[rows[down], columns[right]]
    return copies


def axes_of(outputs: NDArray[np.float32]) -> tuple[int, int] | None:
    """Return which axes of an output follow the rows and the columns of an image; None if no two do.

    Parameters
    ----------
    outputs : float32 ndarray of shape (5, a, b, c)
        Of the images of `quartered`.
    """
    with np.errstate(invalid="ignore"):  # infinity less infinity, which is refused below
        change = np.abs(outputs[1:] - outputs[:1])
        total = change.sum((1, 2, 3))
    if not np.isfinite(total).all() or not (total > 0).all():
        return None
    moves = []
    for across in ((2, 3), (1, 3), (1, 2)):
        along = change.sum(across) / total[:, None]
        centre = along @ np.linspace(0, 1, along.shape[1])
        upper_left, upper_right, lower_left, lower_right = centre.tolist()
        moves.append(((lower_left - upper_left, lower_right - upper_right),
                      (upper_right - upper_left, lower_right - lower_left)))  # fmt: skip
    row, column = (_clear([pair[which] for pair in moves]) for which in (0, 1))
    if not row or not column or row == column:
        return None
    down, right = sum(moves[row - 1][0]), sum(moves[column - 1][1])
    return (row, column) if max(down, right) <= _ALIKE * min(down, right) else None


def _clear(moves: Sequence[tuple[float, float]]) -> int | None:
    """Return the one axis along which both changes moved forward, and by far more than along any other."""
    best = max(range(3), key=lambda axis: min(moves[axis]))
    others = max(max(map(abs, moves[axis])) for axis in range(3) if axis != best)
    return best + 1 if min(moves[best]) > max(_FOLLOWS, 2 * others) else None


__all__ = ["axes_of", "quartered"]
