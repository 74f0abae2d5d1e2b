"""Effective receptive fields: which pixels a unit really reacts to, by the magnitude of its gradient.

The gradient of a unit's largest activation with respect to the image says how far each pixel moves it. Re-centred on the
theoretical field of the position where the activation is largest and averaged over the unit's strongest images, it is the
effective field; its radii hold shares of its mass.

References
----------
Luo et al. 2016, "Understanding the effective receptive field in deep convolutional neural networks", sections 2 and 3.

Notes
-----
Luo et al. average the gradient over random images at the middle position; here images and positions are those where a unit
is strongest, as with occlusion.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.location.occlusion import Recentred, recentred

#: Shares of the mass of a field that its two radii hold.
SHARES = (0.68, 0.95)
#: Variance of a place drawn from a pixel, which is a square of side 1.
_PIXEL = 1 / 12
#: Relative difference of the two axes below which a field has no direction.
_ROUND = 1e-9

Span = tuple[int, int]


@dataclass(frozen=True)
class EffectiveField:
    """Where the mass of a field lies, in pixels.

    Attributes
    ----------
    radii : (float, float)
        Of the discs about the centroid that hold `SHARES` of the mass, to the centres of pixels: 0 for a single pixel.
    anisotropy : float
        Standard deviation along the long axis over that along the short one; 1 for a round field.
    angle : float
        Direction of the long axis, degrees from that of rows towards lower rows, 0 to 180; NaN for a round field.
    offset : (float, float)
        Centroid minus theoretical centre, y and x.
    """

    radii: tuple[float, float]
    anisotropy: float
    angle: float
    offset: tuple[float, float]


def around_centres(maps: NDArray[np.floating], centres: NDArray[np.float64]) -> Recentred:
    """Average magnitudes of gradients (n, height, width), n > 0, around the theoretical centres, (n, 2)."""
    extent = maps.shape[1], maps.shape[2]
    known = np.ones(extent, np.bool_)
    return recentred(((values.astype(np.float64), known) for values in maps), extent, centres)


def uniform(extent: tuple[int, int], boxes: Sequence[tuple[Span, Span]], centres: NDArray[np.float64]) -> Recentred:
    """Return what `around_centres` would for units to which all pixels of their theoretical field are alike.

    Parameters
    ----------
    extent : (int, int)
        Height and width of the image.
    boxes : sequence of ((int, int), (int, int))
        First and last row, first and last column of the field on each image, clipped to it.
    centres : float64 ndarray of shape (n, 2)
        As of `around_centres`.
    """
    maps = np.zeros((len(boxes), *extent))
    for values, ((top, bottom), (left, right)) in zip(maps, boxes, strict=True):
        values[top : max(bottom + 1, top), left : max(right + 1, left)] = 1
    return around_centres(maps, centres)


def effective_field(around: Recentred) -> EffectiveField | None:
    """Measure a field; None where it has no mass."""
    mass = around.mean
    total = mass.sum()
    if not total > 0:
        return None
    rows, columns = (np.arange(size, dtype=np.float64) for size in mass.shape)
    down, across = mass.sum(axis=1), mass.sum(axis=0)
    y, x = float(rows @ down / total), float(columns @ across / total)
    rows, columns = rows - y, columns - x
    distance = np.hypot(rows[:, None], columns).ravel()
    order = np.argsort(distance, kind="stable")
    held = np.cumsum(mass.ravel()[order])
    radii = tuple(float(distance[order[np.searchsorted(held, share * held[-1])]]) for share in SHARES)
    yy, xx = rows**2 @ down / total + _PIXEL, columns**2 @ across / total + _PIXEL
    anisotropy, angle = _axes(float(yy), float(xx), float(rows @ mass @ columns / total))
    origin = around.origin
    return EffectiveField((radii[0], radii[1]), anisotropy, angle, (y - origin[0], x - origin[1]))


def _axes(yy: float, xx: float, xy: float) -> tuple[float, float]:
    """Return the ratio of the axes of an ellipse with these second moments, and the direction of the long one in degrees."""
    middle, apart = (yy + xx) / 2, float(np.hypot((xx - yy) / 2, xy))
    ratio = float(np.sqrt((middle + apart) / (middle - apart)))
    if apart <= _ROUND * middle:
        return ratio, float("nan")
    return ratio, float(np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) % 180)


def holding(mass: NDArray[np.floating], share: float) -> NDArray[np.bool_]:
    """Return the fewest pixels of a map that hold a share of its mass; none where it has no mass.

    Parameters
    ----------
    mass : ndarray of shape (height, width)
        Not negative.
    share : float
        Above 0, at most 1.
    """
    flat = mass.ravel().astype(np.float64)
    order = np.argsort(-flat, kind="stable")
    held = np.cumsum(flat[order])
    found = np.zeros(flat.shape, np.bool_)
    if held[-1] > 0:
        found[order[: int(np.searchsorted(held, share * held[-1])) + 1]] = True
    return found.reshape(mass.shape)


__all__ = ["SHARES", "EffectiveField", "around_centres", "effective_field", "holding", "uniform"]
