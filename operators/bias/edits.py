"""Edits of a region: paint it over, or paste what another image shows there."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: How a region is painted over.
Fill = Literal["mask", "grey", "blur"]
GREY = 128
#: Standard deviation of the blur, and how far a paste fades at its edge, in pixels.
BLUR, FEATHER = 8.0, 2.0


def filled(pixels: NDArray[np.uint8], region: NDArray[np.bool_], fill: Fill) -> NDArray[np.uint8]:
    """Paint a region of an image over.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (height, width, 3)
        The image.
    region : bool ndarray of shape (height, width)
        What is painted over; not empty.
    fill : {"mask", "grey", "blur"}
        `mask`: with the mean colour of the region, `grey`: with 128, `blur`: with the image blurred, sigma 8 pixels.
    """
    from scipy.ndimage import gaussian_filter

    found = pixels.copy()
    if fill == "blur":
        found[region] = np.rint(gaussian_filter(pixels.astype(np.float64), (BLUR, BLUR, 0)))[region]
    else:
        found[region] = GREY if fill == "grey" else np.rint(pixels[region].mean(axis=0))
    return found


def pasted(
    pixels: NDArray[np.uint8], region: NDArray[np.bool_], donor: NDArray[np.uint8], shift: tuple[int, int]
) -> NDArray[np.uint8]:
    """Paste what another image shows into a region.

    Parameters
    ----------
    pixels, donor : uint8 ndarray of shape (height, width, 3)
        The image, and the one that is pasted from.
    region : bool ndarray of shape (height, width)
        Where.
    shift : (int, int)
        Rows and columns from a place in the image to that in the donor; what lies outside the donor is its edge.

    Returns
    -------
    uint8 ndarray of shape (height, width, 3)
        The donor fades out over 2 pixels inside the region's edge, so that no seam is sharp.
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = (np.clip(np.arange(side) + by, 0, side - 1) for side, by in zip(region.shape, shift, strict=True))
    weight = np.clip(distance_transform_edt(region) / FEATHER, 0, 1)[..., None]
    return np.asarray(np.rint(pixels * (1 - weight) + donor[np.ix_(rows, columns)] * weight), np.uint8)


def moved(region: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """Return a region somewhere else: of the same shape, at a place drawn at random, round the edges of the image."""
    rng = np.random.default_rng(seed)
    return np.roll(region, [int(rng.integers(side)) for side in region.shape], (0, 1))


def centre(region: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the middle of the box about a region that is not empty, row and column."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return int(rows[0] + rows[-1]) // 2, int(columns[0] + columns[-1]) // 2


__all__ = ["BLUR", "FEATHER", "GREY", "Fill", "centre", "filled", "moved", "pasted"]
