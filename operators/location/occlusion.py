"""Empirical receptive fields: which pixels a unit really reacts to, found by occluding them.

A box is covered in a copy of an image; the discrepancy is how far the unit's activation moves at the map position where it
was maximal on the original. Spread over the boxes, re-centred on that position's theoretical field and averaged over the
unit's strongest images, the discrepancies above a share of their maximum are the field.

References
----------
Zhou et al. 2015, "Object detectors emerge in deep scene CNNs", section 3.2.

Notes
-----
A field cannot come out much smaller than the occluder, whatever the unit sees.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Share of the largest discrepancy from which a pixel belongs to the field.
THRESHOLD = 0.5
#: Position of a map that has no spatial maximum, all its values being equal.
NOWHERE = -1


@dataclass(frozen=True)
class Occluders:
    """Square boxes on a grid: first row of boxes first.

    Attributes
    ----------
    extent : (int, int)
        Height and width of the image, pixels.
    side : int
        Rows and columns of a box.
    step : int
        Pixels between neighbouring boxes.
    """

    extent: tuple[int, int]
    side: int
    step: int

    @property
    def starts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first rows and the first columns of the boxes; what the steps leave over at the end has no box."""
        rows, columns = (np.arange(0, size - self.side + 1, self.step, dtype=np.int64) for size in self.extent)
        return rows, columns

    @property
    def corners(self) -> NDArray[np.int64]:
        """Return first row and first column of every box, shape (B, 2)."""
        rows, columns = self.starts
        return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)

    def touching(self, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.bool_]:
        """Tell which boxes meet a rectangle, given by its first and last row and column; shape (B,)."""
        inside = np.ones(len(self.corners), np.bool_)
        for corner, (low, high) in zip(self.corners.T, (rows, columns), strict=True):
            inside &= (corner <= high) & (corner + self.side > low)
        return inside

    def spread(self, drops: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Spread a value of each box over its pixels and average where boxes overlap.

        Parameters
        ----------
        drops : ndarray of shape (B,)
            One value a box.

        Returns
        -------
        float64 ndarray and bool ndarray of shape (height, width)
            The averages, 0 where no box lies; and where boxes lie.
        """
        rows, columns = (
            ((pixel >= start[:, None]) & (pixel < start[:, None] + self.side)).astype(np.float64)
            for start, pixel in zip(self.starts, map(np.arange, self.extent), strict=True)
        )
        total = rows.T @ drops.astype(np.float64).reshape(len(rows), len(columns)) @ columns
        boxes = np.outer(rows.sum(axis=0), columns.sum(axis=0))
        return np.divide(total, boxes, out=np.zeros(self.extent), where=boxes > 0), boxes > 0


def peak_positions(maps: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the first maximum of each map (shape (n, h, w)) as a row-major position; `NOWHERE` for a constant map."""
    flat = maps.reshape(len(maps), -1)
    return np.where(flat.max(axis=1) > flat.min(axis=1), flat.argmax(axis=1), NOWHERE).astype(np.int64)


def drops_at(
    original: NDArray[np.floating], occluded: NDArray[np.floating], position: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how far occlusion moves a unit at a position of its map.

    Parameters
    ----------
    original : ndarray of shape (n, h, w)
        Maps of the unit on n images.
    occluded : ndarray of shape (n, B, h, w)
        Maps on the occluded copies.
    position : int64 ndarray of shape (n,)
        Where the unit is maximal on each image, row-major.

    Returns
    -------
    float64 ndarray of shape (n, B)
        Absolute differences.
    """
    before = np.take_along_axis(original.reshape(len(original), -1), position[:, None], 1)
    flat = occluded.reshape(*occluded.shape[:2], -1)
    after = np.take_along_axis(flat, position[:, None, None], 2)[..., 0]
    return np.abs(before.astype(np.float64) - after.astype(np.float64))


@dataclass(frozen=True)
class Recentred:
    """Discrepancies averaged around the centres of the theoretical fields.

    Attributes
    ----------
    mean : float64 ndarray of shape (h, w)
        Average over the images that show a pixel; 0 where fewer than half of the images show it.
    origin : (float, float)
        Row and column of the theoretical centre in `mean`.
    """

    mean: NDArray[np.float64]
    origin: tuple[float, float]


def recentre(drops: NDArray[np.floating], occluders: Occluders, centres: NDArray[np.float64]) -> Recentred:
    """Average the discrepancy maps of n images around the given centres.

    Parameters
    ----------
    drops : ndarray of shape (n, B)
        Discrepancy of each box on each image, n > 0.
    occluders : Occluders
        The boxes.
    centres : float64 ndarray of shape (n, 2)
        Row and column of the theoretical centre on each image; may lie outside.

    Notes
    -----
    Maps move by whole pixels; what rounding leaves over is averaged into `origin`, exact where it is the same on all images,
    as it is where the stride is a whole number.
    """
    return recentred((occluders.spread(values) for values in drops), occluders.extent, centres)


def recentred(
    maps: Iterable[tuple[NDArray[np.float64], NDArray[np.bool_]]],
    extent: tuple[int, int],
    centres: NDArray[np.float64],
) -> Recentred:
    """Average n maps (height, width), each with where it is known, around the given centres; see `recentre`."""
    height, width = extent
    whole = np.floor(centres + 0.5).astype(np.int64)
    first = whole.max(axis=0)
    total = np.zeros(np.array(extent) + first - whole.min(axis=0))
    shown = np.zeros(total.shape, np.int64)
    for (values, known), (top, left) in zip(maps, first - whole, strict=True):
        here = slice(top, top + height), slice(left, left + width)
        total[here] += values
        shown[here] += known
    mean = np.where(2 * shown >= len(centres), total / np.maximum(shown, 1), 0.0)
    row, column = first + (centres - whole).mean(axis=0)
    return Recentred(mean, (float(row), float(column)))


@dataclass(frozen=True)
class EmpiricalField:
    """What a unit reacts to.

    Attributes
    ----------
    area : int
        Pixels whose discrepancy is at least `THRESHOLD` of the largest.
    size : float
        Square root of the area, pixels.
    offset : (float, float)
        Centroid of the field, weighted by discrepancy, minus the theoretical centre: y and x, pixels.
    """

    area: int
    size: float
    offset: tuple[float, float]


def empirical_field(
    drops: NDArray[np.floating],
    occluders: Occluders,
    centres: NDArray[np.float64],
    threshold: float = THRESHOLD,
) -> EmpiricalField | None:
    """Measure the empirical receptive field of a unit; None where no occluder moves it, or without images.

    Parameters
    ----------
    drops : ndarray of shape (n, B)
        Discrepancy of each box on each image.
    occluders : Occluders
        The boxes.
    centres : float64 ndarray of shape (n, 2)
        Row and column of the theoretical centre of the maximal position on each image.
    threshold : float
        Share of the largest discrepancy from which a pixel belongs to the field.
    """
    if not len(drops):
        return None
    around = recentre(drops, occluders, centres)
    largest = around.mean.max()
    if not largest > 0:
        return None
    rows, columns = np.nonzero(around.mean >= threshold * largest)
    weight = around.mean[rows, columns]
    y, x = (float(axis @ weight / weight.sum()) for axis in (rows, columns))
    return EmpiricalField(len(rows), float(np.sqrt(len(rows))), (y - around.origin[0], x - around.origin[1]))
