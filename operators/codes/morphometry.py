"""Shape and place of a single light object on a dark background: area, slant, width, height, length and thickness of stroke.

References
----------
Castro et al. 2019, Morpho-MNIST: Quantitative Assessment and Diagnostics for Representation Learning, JMLR 20, section 3.1.

Notes
-----
Width and height are root second moments, which have no threshold, where the paper takes the extent that holds 98 % of the
light; area is the light itself. Length and thickness are those of the paper at twice the resolution, on a skeleton by thinning
(Zhang & Suen 1984) instead of the medial axis, which has spurs; a corner of the line is not counted as a step aslant too.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

#: What is measured, in the order of columns: pixels, except slant (radians).
FACTORS = ("area", "slant", "width", "height", "length", "thickness", "x", "y")
#: Times that an image is enlarged before it is thinned.
SCALE = 2


@njit(cache=True, nogil=True)
def _moments(image: NDArray[np.float64], found: NDArray[np.float64]) -> None:
    height, width = image.shape
    area = sx = sy = 0.0
    for y in range(height):
        for x in range(width):
            area += image[y, x]
            sx += x * image[y, x]
            sy += y * image[y, x]
    found[:] = 0.0
    found[6], found[7] = (width - 1) / 2, (height - 1) / 2
    if area <= 0.0:
        return
    cx, cy = sx / area, sy / area
    found[6], found[7] = cx, cy
    xx = xy = yy = 0.0
    for y in range(height):
        for x in range(width):
            xx += (x - cx) ** 2 * image[y, x]
            xy += (x - cx) * (y - cy) * image[y, x]
            yy += (y - cy) ** 2 * image[y, x]
    shear = xy / yy if yy > 0.0 else 0.0
    found[0] = area
    found[1] = math.atan(-shear)
    # the variance of x once the slant is taken out
    found[2] = math.sqrt(max((xx - 2.0 * shear * xy + shear * shear * yy) / area, 0.0))
    found[3] = math.sqrt(yy / area)


@njit(cache=True, nogil=True)
def _enlarged(image: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Enlarge bilinearly, pixel centres aligned, and cut at half the maximum; with a border of background."""
    height, width = image.shape
    large = np.empty((height * SCALE, width * SCALE))
    for y in range(height * SCALE):
        v = min(max((y + 0.5) / SCALE - 0.5, 0.0), height - 1.0)
        top = min(int(v), max(height - 2, 0))
        below = min(top + 1, height - 1)
        b = v - top
        for x in range(width * SCALE):
            u = min(max((x + 0.5) / SCALE - 0.5, 0.0), width - 1.0)
            left = min(int(u), max(width - 2, 0))
            right = min(left + 1, width - 1)
            a = u - left
            upper = image[top, left] * (1.0 - a) + image[top, right] * a
            lower = image[below, left] * (1.0 - a) + image[below, right] * a
            large[y, x] = upper * (1.0 - b) + lower * b
    ink = np.zeros((height * SCALE + 2, width * SCALE + 2), np.bool_)
    most = large.max()
    if most > 0.0:
        ink[1:-1, 1:-1] = large >= 0.5 * most
    return ink


def _edges() -> NDArray[np.bool_]:
    """Return which pixels each of the two phases of thinning removes, by their 8 neighbours as bits, clockwise from above."""
    removed = np.zeros((2, 256), np.bool_)
    for ring in range(256):
        on = [bool(ring >> at & 1) for at in range(8)]
        steps = sum(not on[at] and on[(at + 1) % 8] for at in range(8))
        if 2 <= sum(on) <= 6 and steps == 1:
            above, right, below, left = on[::2]
            removed[0, ring] = not (above and right and below) and not (right and below and left)
            removed[1, ring] = not (above and right and left) and not (above and below and left)
    return removed


_EDGES = _edges()


@njit(cache=True, nogil=True)
def _thin(ink: NDArray[np.bool_], removed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin to a skeleton; `ink` has a border of background."""
    kept = ink.copy()
    gone_y, gone_x = np.empty(ink.size, np.int64), np.empty(ink.size, np.int64)
    changed = True
    while changed:
        changed = False
        for phase in range(2):
            count = 0
            for y in range(1, kept.shape[0] - 1):
                for x in range(1, kept.shape[1] - 1):
                    if not kept[y, x]:
                        continue
                    ring = kept[y - 1, x] + 2 * kept[y - 1, x + 1] + 4 * kept[y, x + 1] + 8 * kept[y + 1, x + 1]
                    ring += (
                        16 * kept[y + 1, x] + 32 * kept[y + 1, x - 1] + 64 * kept[y, x - 1] + 128 * kept[y - 1, x - 1]
                    )
                    if removed[phase, ring]:
                        gone_y[count], gone_x[count] = y, x
                        count += 1
            for at in range(count):
                kept[gone_y[at], gone_x[at]] = False
            changed = changed or count > 0
    return kept


@njit(cache=True, nogil=True)
def _to_ground(ink: NDArray[np.bool_], y: int, x: int) -> float:
    """Return the distance of a pixel of ink to the nearest pixel of background."""
    best = ink.shape[0] ** 2 + ink.shape[1] ** 2
    reach = 1
    while reach * reach < best:
        for v in range(max(y - reach, 0), min(y + reach + 1, ink.shape[0])):
            for u in range(max(x - reach, 0), min(x + reach + 1, ink.shape[1])):
                if max(abs(v - y), abs(u - x)) == reach and not ink[v, u]:
                    best = min(best, (v - y) ** 2 + (u - x) ** 2)
        reach += 1
    return math.sqrt(best)


@njit(cache=True, nogil=True)
def _stroke(image: NDArray[np.float64], found: NDArray[np.float64], removed: NDArray[np.bool_]) -> None:
    ink = _enlarged(image)
    line = _thin(ink, removed)
    length = distance = 0.0
    pixels = 0
    for y in range(1, line.shape[0] - 1):
        for x in range(1, line.shape[1] - 1):
            if line[y, x]:
                pixels += 1
                distance += _to_ground(ink, y, x)
                left, right, below = line[y, x - 1], line[y, x + 1], line[y + 1, x]
                length += right + below
                # a step aslant, unless it is the short cut of a corner that is counted already
                length += math.sqrt(2.0) * (line[y + 1, x - 1] and not (below or left))
                length += math.sqrt(2.0) * (line[y + 1, x + 1] and not (below or right))
    found[4] = length / SCALE
    found[5] = 2.0 * distance / pixels / SCALE if pixels else 0.0


@njit(cache=True, nogil=True)
def _measure(images: NDArray[np.float64], found: NDArray[np.float64], removed: NDArray[np.bool_]) -> None:
    for at in range(len(images)):
        _moments(images[at], found[at])
        _stroke(images[at], found[at], removed)


def morphometry(images: NDArray[np.floating]) -> NDArray[np.float64]:
    """Measure every image.

    Parameters
    ----------
    images : ndarray of shape (n, height, width)
        Grey values, 0 the ground.

    Returns
    -------
    float64 ndarray of shape (n, 8)
        The `FACTORS` of each image; without light all are 0 but x and y, which are the middle. Slant is positive where the
        object leans to the right; x and y are its centre.

    Raises
    ------
    ValueError
        If the images are not of that shape, or a value is negative or not finite.
    """
    values = np.ascontiguousarray(images, np.float64)
    if values.ndim != 3:
        raise ValueError(f"images of shape {values.shape} were received; morphometry takes (n, height, width)")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError("morphometry takes grey values from 0; some are negative, NaN or infinite")
    found = np.zeros((len(values), len(FACTORS)))
    _measure(values, found, _EDGES)
    return found


__all__ = ["FACTORS", "SCALE", "morphometry"]
