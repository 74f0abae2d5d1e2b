"""Where the pixels of a mask fall between the positions of a map: the two anchorings of bilinear upsampling.

Upsampling along one axis is a lookup: mask pixel r takes ``map[lower[r]]`` and its successor, blended by ``weight[r]``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Axis:
    """Bilinear sampling along one axis, for S mask pixels over n map positions; an axis equals only itself.

    Attributes
    ----------
    lower : int64 ndarray of shape (S,)
        Map position below each pixel, non-decreasing.
    weight : float64 ndarray of shape (S,)
        Share of position ``lower + 1``, in [0, 1); 0 where the pixel lies beyond the outermost centres.
    first : int64 ndarray of shape (n + 1,)
        Pixels ``first[i]`` to ``first[i + 1] - 1`` have ``lower == i``.
    """

    lower: NDArray[np.int64]
    weight: NDArray[np.float64]
    first: NDArray[np.int64]


def axis_at(source: NDArray[np.float64], positions: int) -> Axis:
    """Sample a map of `positions` along one axis at the given coordinates (float64, ascending, shape (S,)).

    Coordinates are in map positions; beyond the outermost centres the map is constant.
    """
    inside = np.clip(source, 0.0, positions - 1.0)
    lower = np.floor(inside).astype(np.int64)
    return Axis(lower, inside - lower, np.searchsorted(lower, np.arange(positions + 1)))


def resize_axis(positions: int, size: int) -> Axis:
    """Anchor by half-pixel centres, as ``torch.nn.functional.interpolate(align_corners=False)`` does.

    Mask pixel r lies at map coordinate (r + .5) n / S - .5, clamped at the edges.
    """
    return axis_at((np.arange(size) + 0.5) * positions / size - 0.5, positions)


def receptive_field_axis(positions: int, size: int, *, extent: int, centre: float, stride: float) -> Axis:
    """Anchor at the centres of the receptive fields (Bau et al. 2017, section 2.2).

    Parameters
    ----------
    positions, size : int
        Map positions n and mask pixels S along the axis.
    extent : int
        Input pixels along the axis.
    centre, stride : float
        Map position i sits at input coordinate ``centre + i * stride``, 0 at the centre of the first input pixel.
    """
    pixel = (np.arange(size) + 0.5) * extent / size - 0.5
    return axis_at((pixel - centre) / stride, positions)


def upsample(maps: NDArray[np.floating], rows: Axis, columns: Axis) -> NDArray[np.float64]:
    """Upsample maps (shape (..., n, m)) to float64 of shape (..., S, S'), rows first, each blend ``a + w (b - a)``.

    In this form, with float16 values in float64, a blend never leaves the range of its two ends: what is not above a
    threshold at the corners of a cell is not above it inside.
    """
    x = maps.astype(np.float64)
    x = _blend(x, rows, -2)
    return _blend(x, columns, -1)


def _blend(x: NDArray[np.float64], axis: Axis, along: int) -> NDArray[np.float64]:
    low = np.take(x, axis.lower, along)
    high = np.take(x, np.minimum(axis.lower + 1, x.shape[along] - 1), along)
    weight = axis.weight[:, None] if along == -2 else axis.weight
    return np.asarray(low + weight * (high - low), np.float64)
