"""LIME: a linear model of the score near one image, whose features are whether segments are shown.

Segments of the image are hidden at random, each copy is weighted by how alike it is to the whole image, and ridge
regression on which segments were shown says what each is worth.

References
----------
Ribeiro, Singh, Guestrin 2016, "Why should I trust you?", sections 3.3 and 3.4; kernel, distance, ridge and number of samples
are those of the package `lime` 0.2.0.1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def segment_means(pixels: NDArray[np.uint8], segments: NDArray[np.integer]) -> NDArray[np.float32]:
    """Paint every segment in its mean colour.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (height, width, channels)
        An image.
    segments : int ndarray of shape (height, width)
        Segment of each pixel, numbered from 0.

    Returns
    -------
    float32 ndarray of shape (height, width, channels)
    """
    label = segments.ravel()
    size = np.maximum(np.bincount(label), 1)
    means = [np.bincount(label, channel.ravel()) / size for channel in np.moveaxis(pixels, -1, 0)]
    painted: NDArray[np.float32] = np.stack(means, axis=-1)[segments].astype(np.float32)
    return painted


def draw_masks(samples: int, segments: int, seed: int) -> NDArray[np.bool_]:
    """Draw which segments each copy shows, each with probability 1/2; the first copy shows all. Shape (samples, segments)."""
    masks = np.random.default_rng(seed).random((samples, segments)) < 0.5
    masks[0] = True
    return masks


def proximity(masks: NDArray[np.bool_], width: float = 0.25) -> NDArray[np.float64]:
    """Weigh copies, shape (samples,): sqrt(exp(-d^2 / width^2)), with d the cosine distance to the copy that shows all."""
    # of 0/1 rows: the cosine with ones is sqrt(share shown); a copy that shows nothing is at distance 1
    distance = 1 - np.sqrt(masks.mean(axis=1))
    weights: NDArray[np.float64] = np.exp(-((distance / width) ** 2) / 2)
    return weights


@dataclass(frozen=True)
class LinearModel:
    """A linear model of the score.

    Attributes
    ----------
    weights : float64 ndarray of shape (segments,)
        What showing each segment adds to the score; 0 where the score does not vary.
    fit : float
        Weighted R^2 on the copies it was fitted to; NaN where the score does not vary.
    """

    weights: NDArray[np.float64]
    fit: float


def fit_ridge(
    masks: NDArray[np.bool_], scores: NDArray[np.floating], proximity: NDArray[np.float64], alpha: float = 1.0
) -> LinearModel:
    """Fit scores by ridge regression on which segments are shown, with an intercept that is not shrunk.

    Parameters
    ----------
    masks : bool ndarray of shape (samples, segments)
        Segments that each copy shows.
    scores : ndarray of shape (samples,)
        Score of each copy.
    proximity : float64 ndarray of shape (samples,)
        Weight of each copy.
    alpha : float
        Penalty on the squared weights.
    """
    shown, scores = masks.astype(np.float64), np.asarray(scores, np.float64)
    if np.ptp(scores) == 0:
        return LinearModel(np.zeros(masks.shape[1]), float("nan"))
    share, root = proximity / proximity.sum(), np.sqrt(proximity)
    x = (shown - share @ shown) * root[:, None]
    y = (scores - share @ scores) * root
    weights = np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ y)
    return LinearModel(weights, float(1 - ((y - x @ weights) ** 2).sum() / (y**2).sum()))
