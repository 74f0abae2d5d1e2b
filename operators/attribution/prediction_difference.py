"""Prediction difference analysis: how the odds of a class fall when a window of the image is not known.

What is not known is integrated out: the window is filled with values drawn given the pixels around it, and the probability is
averaged over the draws.

References
----------
Zintgraf, Cohen, Adel, Welling 2017, "Visualizing deep neural network decisions: prediction difference analysis", sections 3
and 3.1, algorithm 1. Windows at the border, where the patch is moved inwards, are as in the authors' release.

Notes
-----
Surrounding pixels are taken as known up to rounding: 1/12, the variance of rounding to whole values, is added to theirs, so
that the conditional exists on flat patches too. There the paper's is undefined; elsewhere the two differ by less than the
pixels' own precision.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1 / 12


@dataclass(frozen=True)
class Conditional:
    """Distribution of the pixels of a window given those around it in a patch, channels apart.

    Attributes
    ----------
    inner, outer : int64 ndarray of shape (k,) and (r,)
        Pixels of the window and the other pixels of the patch, row-major.
    mean : float64 ndarray of shape (channels, k)
        Mean of the window where all other pixels have their mean.
    gain : float64 ndarray of shape (channels, k, r)
        How it moves with the deviations of the others.
    root : float64 ndarray of shape (channels, k, k)
        Symmetric square root of the covariance that remains.
    """

    inner: NDArray[np.int64]
    outer: NDArray[np.int64]
    mean: NDArray[np.float64]
    gain: NDArray[np.float64]
    root: NDArray[np.float64]


@dataclass(frozen=True)
class PatchGaussian:
    """Gaussian of the pixels of square patches, channels apart.

    Attributes
    ----------
    side : int
        Rows and columns of a patch.
    mean : float64 ndarray of shape (channels, side * side)
        Means, row-major.
    covariance : float64 ndarray of shape (channels, side * side, side * side)
        Covariances.
    """

    side: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def fit(cls, images: NDArray[np.uint8], side: int, patches: int, seed: int) -> Self:
        """Fit mean and covariance on patches at random places; on all patches if there are no more.

        Parameters
        ----------
        images : uint8 ndarray of shape (n, height, width, channels)
            Images, at least one patch large.
        side : int
            Rows and columns of a patch.
        patches : int
            How many are drawn.
        seed : int
            Of the places.
        """
        n, height, width, channels = images.shape
        places = (n, height - side + 1, width - side + 1)
        total = int(np.prod(places))
        drawn = np.arange(total)
        if total > patches:
            drawn = np.sort(np.random.default_rng(seed).choice(total, patches, replace=False))
        windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), (1, 2))[
            np.unravel_index(drawn, places)
        ]
        means, covariances = [], []
        for channel in range(channels):
            values = windows[:, channel].reshape(len(drawn), -1).astype(np.float64)
            means.append(values.mean(axis=0))
            values -= means[-1]
            covariances.append(values.T @ values / max(len(drawn) - 1, 1))
        return cls(side, np.stack(means), np.stack(covariances))

    def given_surround(self, row: int, column: int, window: int) -> Conditional:
        """Return the conditional of the window whose first row and column in the patch are given."""
        inside = np.zeros((self.side, self.side), np.bool_)
        inside[row : row + window, column : column + window] = True
        inner, outer = np.flatnonzero(inside), np.flatnonzero(~inside)
        cross = self.covariance[:, inner[:, None], outer]
        around = self.covariance[:, outer[:, None], outer] + _ROUNDING * np.eye(len(outer))
        gain = np.linalg.solve(around, cross.swapaxes(1, 2)).swapaxes(1, 2).astype(np.float64, copy=False)
        left = self.covariance[:, inner[:, None], inner] - gain @ cross.swapaxes(1, 2)
        # unlike a Cholesky factor it exists where the covariance is singular
        values, vectors = np.linalg.eigh((left + left.swapaxes(1, 2)) / 2)
        root = (vectors * np.sqrt(np.maximum(values, 0))[:, None]) @ vectors.swapaxes(1, 2)
        return Conditional(inner, outer, self.mean[:, inner], gain, root)


class WindowSampler:
    """Draws values for windows of one image given the pixels around them.

    Parameters
    ----------
    gaussian : PatchGaussian
        Distribution of patches; as many pixels wider than a window on each side as are taken to be known.
    window : int
        Rows and columns of a window.
    """

    def __init__(self, gaussian: PatchGaussian, window: int) -> None:
        self._gaussian, self._window = gaussian, window
        self._padding = (gaussian.side - window) // 2
        self._given: dict[tuple[int, int], Conditional] = {}

    def draw(
        self, image: NDArray[np.uint8], corners: NDArray[np.int64], normals: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Draw values of windows, cut off at 0 and 255.

        Parameters
        ----------
        image : uint8 ndarray of shape (height, width, channels)
            The image, at least one patch large.
        corners : int64 ndarray of shape (n, 2)
            First row and column of each window.
        normals : float64 ndarray of shape (n, samples, channels, window * window)
            Standard normal values.

        Returns
        -------
        float32 ndarray of shape (n, samples, window, window, channels)
        """
        side, window = self._gaussian.side, self._window
        drawn = np.empty((*normals.shape[:2], window, window, normals.shape[2]), np.float32)
        for number, (row, column) in enumerate(corners.tolist()):
            # the patch is moved inwards where it would stand out
            top, left = (
                min(max(at - self._padding, 0), size - side)
                for at, size in zip((row, column), image.shape, strict=False)
            )
            given = self._conditional(row - top, column - left)
            patch = np.moveaxis(image[top : top + side, left : left + side], -1, 0).reshape(-1, side * side)
            known = (patch - self._gaussian.mean)[:, given.outer]
            mean = given.mean + (given.gain @ known[:, :, None])[:, :, 0]
            values = mean + (given.root @ normals[number].transpose(1, 2, 0)).transpose(2, 0, 1)
            drawn[number] = np.moveaxis(values.reshape(len(values), -1, window, window), 1, -1)
        return drawn.clip(0, 255)

    def _conditional(self, row: int, column: int) -> Conditional:
        if (row, column) not in self._given:
            self._given[row, column] = self._gaussian.given_surround(row, column, self._window)
        return self._given[row, column]


def window_starts(size: int, window: int, stride: int) -> NDArray[np.int64]:
    """Return the first pixels of windows along an axis, the last one at its end, so that each pixel lies in one."""
    return np.unique(np.append(np.arange(0, size - window + 1, stride), size - window))


def weight_of_evidence(
    known: float, unknown: NDArray[np.float64], classes: int, training_images: int
) -> NDArray[np.float64]:
    """Return log2 odds(known) - log2 odds(unknown), after Laplace's correction p -> (p N + 1) / (N + K).

    Parameters
    ----------
    known : float
        Probability of a class on the image.
    unknown : float64 ndarray
        Its mean probabilities where something is not known.
    classes, training_images : int
        K and N.
    """

    def odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
        corrected = (p * training_images + 1) / (training_images + classes)
        return np.log2(corrected / (1 - corrected))

    return odds(np.asarray(known, np.float64)) - odds(unknown)
