"""The outline of the region in which a map is above its threshold, as polygons in the unit square."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

from filterscope.operators.dissection.anchoring import Axis, upsample

#: Largest distance between an outline and its simplified polygon, in samples.
TOLERANCE = 0.3

_TOP, _RIGHT, _BOTTOM, _LEFT = 0, 1, 2, 3


@nb.njit(cache=True, nogil=True)
def _exit(code: int, entry: int) -> int:
    """Return by which side a contour leaves a cell; diagonal neighbours inside are kept apart."""
    if code == 5:  # top left and bottom right inside
        return (_LEFT, _BOTTOM, _RIGHT, _TOP)[entry]
    if code == 10:  # top right and bottom left inside
        return (_RIGHT, _TOP, _LEFT, _BOTTOM)[entry]
    tl, tr, br, bl = code & 1, code >> 1 & 1, code >> 2 & 1, code >> 3 & 1
    crossed = (tl != tr, tr != br, bl != br, tl != bl)
    for side in range(4):
        if side != entry and crossed[side]:
            return side
    return entry


@nb.njit(cache=True, nogil=True)
def _trace(v: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Follow the contours v = 0 of an array whose border is not above 0: points (row, column), and where each ends."""
    rows, columns = v.shape
    seen = np.zeros((rows, columns), np.bool_)
    points = np.empty((4 * rows * columns, 2))
    ends = np.empty(rows * columns, np.int64)
    count = contours = 0
    for top in range(1, rows - 1):
        for left in range(columns - 1):
            if seen[top, left] or (v[top, left] > 0) == (v[top, left + 1] > 0):
                continue
            i, j, side = top, left, _TOP
            while True:
                if side == _TOP and seen[i, j]:
                    break
                if side == _BOTTOM and seen[i + 1, j]:
                    break
                # the crossed edge, as its two samples
                r0 = i + 1 if side == _BOTTOM else i
                c0 = j + 1 if side == _RIGHT else j
                r1, c1 = (r0, c0 + 1) if side in (_TOP, _BOTTOM) else (r0 + 1, c0)
                if side in (_TOP, _BOTTOM):
                    seen[r0, c0] = True
                # not through a sample: one at the level itself is outside
                t = min(max(v[r0, c0] / (v[r0, c0] - v[r1, c1]), 0.01), 0.99)
                points[count, 0], points[count, 1] = r0 + t * (r1 - r0), c0 + t * (c1 - c0)
                count += 1
                code = (v[i, j] > 0) + 2 * (v[i, j + 1] > 0) + 4 * (v[i + 1, j + 1] > 0) + 8 * (v[i + 1, j] > 0)
                out = _exit(code, side)
                if out == _TOP:
                    i, side = i - 1, _BOTTOM
                elif out == _BOTTOM:
                    i, side = i + 1, _TOP
                elif out == _LEFT:
                    j, side = j - 1, _RIGHT
                else:
                    j, side = j + 1, _LEFT
            ends[contours] = count
            contours += 1
    return points[:count], ends[:contours]


@nb.njit(cache=True, nogil=True)
def _mark(p: NDArray[np.float64], first: int, last: int, tolerance: float, kept: NDArray[np.bool_]) -> None:
    """Keep what the chain from `first` to `last` needs to stay within the tolerance (Douglas & Peucker 1973)."""
    stack = [(first, last)]
    while stack:
        a, b = stack.pop()
        y0, x0 = p[a, 0], p[a, 1]
        n = len(p)
        dy, dx = p[b % n, 0] - y0, p[b % n, 1] - x0
        length = np.hypot(dy, dx)
        far, where = tolerance, -1
        for k in range(a + 1, b):
            y, x = p[k, 0] - y0, p[k, 1] - x0
            d = abs(dx * y - dy * x) / length if length > 0 else np.hypot(y, x)
            if d > far:
                far, where = d, k
        if where >= 0:
            kept[where] = True
            stack.append((a, where))
            stack.append((where, b))


@nb.njit(cache=True, nogil=True)
def _simplified(p: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    """Mark the points of a closed polygon that stay."""
    kept = np.zeros(len(p), np.bool_)
    far, where = -1.0, 0
    for k in range(len(p)):
        d = np.hypot(p[k, 0] - p[0, 0], p[k, 1] - p[0, 1])
        if d > far:
            far, where = d, k
    kept[0] = kept[where] = True
    _mark(p, 0, where, tolerance, kept)
    _mark(p, where, len(p), tolerance, kept)
    return kept


def outline(values: NDArray[np.floating], level: float, tolerance: float = TOLERANCE) -> list[NDArray[np.float64]]:
    """Outline where an image is above a level.

    Parameters
    ----------
    values : ndarray of shape (rows, columns), float
        Samples at the centres of pixels.
    level : float
        Samples above it are inside.
    tolerance : float
        Largest distance between the outline and its simplified polygon, in samples.

    Returns
    -------
    list of float64 ndarray of shape (points, 2)
        Closed polygons (the first point is not repeated) of (x, y) in [0, 1], corners of the image being 0 and 1; holes
        are polygons of their own, so that the even-odd rule fills the region. A region that meets the border is closed
        along it. Pixels that touch at a corner alone are kept apart.

    References
    ----------
    .. [1] Lorensen & Cline, Marching cubes, 1987; here in two dimensions, with linear interpolation.
    .. [2] Douglas & Peucker, 1973, for the simplification.
    """
    above = values.astype(np.float64) - level
    if not (above > 0).any():
        return []
    padded = np.full((above.shape[0] + 2, above.shape[1] + 2), -1e-9)
    padded[1:-1, 1:-1] = above
    points, ends = _trace(padded)
    size = np.array(above.shape, np.float64)
    points = np.clip(points - 0.5, 0.0, size)
    polygons = []
    for contour in np.split(points, ends[:-1]):
        kept = contour[_simplified(contour, tolerance)] if tolerance > 0 else contour
        if len(kept) > 2:
            polygons.append((kept / size)[:, ::-1])
    return polygons


def map_outline(activation: NDArray[np.floating], level: float, rows: Axis, columns: Axis) -> list[NDArray[np.float64]]:
    """Outline where a map, upsampled as the tally upsamples it, is above its threshold.

    Parameters
    ----------
    activation : ndarray of shape (h, w), float
        The raw map.
    level : float
        Its unit's threshold T.
    rows, columns : Axis
        How the samples of the outline lie between the positions of the map.

    Returns
    -------
    list of float64 ndarray of shape (points, 2)
        As `outline`.
    """
    if not (activation > level).any():
        return []
    return outline(upsample(activation, rows, columns), level)


__all__ = ["TOLERANCE", "map_outline", "outline"]
