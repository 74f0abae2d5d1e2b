"""How far a picture is from the image that it was made for: pixels, colour, place, edges, structure.

Images are float arrays of shape (n, height, width, 3) from 0 to 1.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.floating]
Values = NDArray[np.float64]

#: Shares of red, green and blue in a grey value.
_GREY = np.array([0.299, 0.587, 0.114])
#: Side of the window of the structural similarity, pixels.
_WINDOW = 7


def distances(images: Images, pictures: Images) -> Values:
    """Return the Euclidean distance of each picture from its image, float64 of shape (n,)."""
    difference = np.asarray(images, np.float64) - pictures
    return np.asarray(np.sqrt(np.square(difference).sum(axis=(1, 2, 3))))


def pair_distance(images: Images, seed: int) -> float:
    """Return the mean distance of random pairs of different images, the unit of normalised errors.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, 3)
        At least two; each is in two pairs.
    seed : int
        Of the pairs.

    References
    ----------
    Dosovitskiy & Brox 2016, section 3.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    return float(distances(images[order], images[np.roll(order, 1)]).mean())


def colour_error(images: Images, pictures: Images) -> Values:
    """Return the distance of the mean colours a and b of CIELAB, float64 of shape (n,)."""
    from skimage.color import rgb2lab

    means = [rgb2lab(np.clip(some, 0, 1))[..., 1:].mean(axis=(1, 2)) for some in (images, pictures)]
    return np.asarray(np.linalg.norm(means[0] - means[1], axis=1), np.float64)


def centroids(images: Images) -> Values:
    """Return where what stands out of each image lies: row and column from 0 to 1, float64 of shape (n, 2).

    What stands out is the distance of each pixel from the image's median colour; an image of one colour lies in the middle.
    """
    ground = np.median(images, axis=(1, 2), keepdims=True)
    mass = np.abs(np.asarray(images, np.float64) - ground).sum(axis=3)
    total = mass.sum(axis=(1, 2))
    height, width = mass.shape[1:]
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    found = np.stack([(mass.sum(2) * rows).sum(1), (mass.sum(1) * columns).sum(1)], axis=1)
    return np.where(total[:, None] > 0, found / np.where(total > 0, total, 1.0)[:, None], 0.5)


def place_error(images: Images, pictures: Images) -> Values:
    """Return the distance of the centroids, in shares of the diagonal of a unit square; float64 of shape (n,)."""
    return np.asarray(np.linalg.norm(centroids(images) - centroids(pictures), axis=1) / np.sqrt(2))


def edges(images: Images) -> Values:
    """Return the size of the gradient of grey values by central differences, float64 of shape (n, height, width)."""
    grey = np.asarray(images, np.float64) @ _GREY
    rows, columns = np.gradient(grey, axis=(1, 2))
    return np.asarray(np.hypot(rows, columns))


def edge_error(images: Images, pictures: Images) -> Values:
    """Return the mean difference of the gradients' sizes over the mean size of the images' own, float64 of shape (n,).

    NaN where no image has an edge.
    """
    own = edges(images)
    mean = own.mean()
    difference = np.abs(own - edges(pictures)).mean(axis=(1, 2))
    return difference / mean if mean > 0 else np.full(len(difference), np.nan)


def structure(images: Images, pictures: Images) -> Values:
    """Return the structural similarity of grey values (Wang et al. 2004, windows of 7 x 7), float64 of shape (n,).

    NaN for images smaller than a window.
    """
    from skimage.metrics import structural_similarity

    if min(images.shape[1:3]) < _WINDOW:
        return np.full(len(images), np.nan)
    pairs = zip(np.asarray(images, np.float64) @ _GREY, np.asarray(pictures, np.float64) @ _GREY, strict=True)
    similarity: Callable[..., float] = structural_similarity
    return np.array([similarity(*pair, data_range=1.0, win_size=_WINDOW) for pair in pairs])


def relative(features: NDArray[np.floating], again: NDArray[np.floating]) -> Values:
    """Return the distance of features (n, ...) of pictures from those of their images, over the size of the latter.

    NaN where the features of the image are 0.
    """
    flat = np.asarray(features, np.float64).reshape(len(features), -1)
    other = np.asarray(again, np.float64).reshape(len(flat), -1)
    size = np.linalg.norm(flat, axis=1)
    return np.where(size > 0, np.linalg.norm(flat - other, axis=1), np.nan) / np.where(size > 0, size, 1.0)


def interval(values: Values) -> tuple[float, float, float]:
    """Return the mean of values that are not NaN, and the ends of its 95 % interval by the normal law; NaN for no value."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan"), float("nan")
    mean = float(known.mean())
    half = 1.96 * float(known.std(ddof=1)) / float(np.sqrt(len(known))) if len(known) > 1 else float("nan")
    return mean, mean - half, mean + half


__all__ = [
    "centroids",
    "colour_error",
    "distances",
    "edge_error",
    "edges",
    "interval",
    "pair_distance",
    "place_error",
    "relative",
    "structure",
]
