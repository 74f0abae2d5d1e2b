"""The receptive fields of a layer: which input pixels each position of its maps sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

Pair = tuple[int, int]
#: First and last row, first and last column, inclusive.
Box = tuple[Pair, Pair]


@dataclass(frozen=True)
class Field:
    """Theoretical receptive fields, each attribute for (rows, columns), in pixels of the network's input.

    Attributes
    ----------
    size : tuple of int
        Pixels that one position sees along each axis, padding included.
    stride : tuple of float
        Pixels between neighbouring positions.
    centre : tuple of float
        Coordinate of the centre of the field of position (0, 0); 0 is the centre of the first pixel.
    seen : pair of tuple of int
        First and last pixel that any position of the layer sees: all of the input, but for what strides leave over.
    through_global : bool
        The layer also depends on the whole input, through pooling as in squeeze-and-excitation or through statistics
        of the image; such paths are left out of the field.
    """

    size: Pair
    stride: tuple[float, float]
    centre: tuple[float, float]
    seen: Box
    through_global: bool = False

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> "Field":
        """Read a field back from plain values."""
        size, stride, centre = (tuple(stated[name]) for name in ("size", "stride", "centre"))
        rows, columns = (tuple(pair) for pair in stated["seen"])
        return cls(size, stride, centre, (rows, columns), stated["through_global"])


def box(field: Field, i: int, j: int) -> Box:
    """Return the pixels that position (i, j) sees, clipped to the input: first and last row, first and last column.

    A position that sees padding alone has its last pixel before its first.
    """
    rows, columns = (_clipped(field, axis, position) for axis, position in enumerate((i, j)))
    return rows, columns


def _clipped(field: Field, axis: int, position: int) -> Pair:
    centre = field.centre[axis] + position * field.stride[axis]
    reach = (field.size[axis] - 1) / 2
    low, high = field.seen[axis]
    return max(floor(centre - reach), low), min(ceil(centre + reach), high)
