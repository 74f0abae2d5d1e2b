"""Pictures that need no trained inverter: the nearest training image, a linear inversion, the image of another."""

import numpy as np
from numpy.typing import NDArray

#: Weight of the penalty, over the mean diagonal of the Gram matrix.
PENALTY = 1e-2


class Ridge:
    """A linear inverter, fitted by ridge regression in its dual form, so that features may have any length.

    Parameters
    ----------
    features : float ndarray of shape (n, d)
        Of training images.
    targets : float ndarray of shape (n, p)
        Their pixels.
    penalty : float
        Over the mean diagonal of the centred Gram matrix.
    """

    def __init__(self, features: NDArray[np.floating], targets: NDArray[np.floating], penalty: float = PENALTY) -> None:
        self._features = np.asarray(features, np.float64)
        self._centre = self._features.mean(axis=0)
        self._features = self._features - self._centre
        self._mean = np.asarray(targets, np.float64).mean(axis=0)
        gram = self._features @ self._features.T
        #: Weight of the penalty on the squared weights.
        self.weight = penalty * float(np.trace(gram)) / len(gram)
        if self.weight <= 0:  # features that do not vary say nothing
            self.weight = 1.0
        gram[np.diag_indices_from(gram)] += self.weight
        self._dual = np.linalg.solve(gram, targets - self._mean)

    def __call__(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the pixels, float64 of shape (m, p), of features of shape (m, d)."""
        return np.asarray((features - self._centre) @ self._features.T @ self._dual + self._mean)


def nearest(features: NDArray[np.floating], known: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return which of the known features (n, d) is nearest to each of some features (m, d); the first of equal ones."""
    own, other = np.asarray(features, np.float64), np.asarray(known, np.float64)
    squared = np.square(other).sum(1) - 2 * own @ other.T
    return np.asarray(squared.argmin(axis=1), np.int64)


def others(count: int, seed: int) -> NDArray[np.int64]:
    """Return for each of several images another one, at random; every one is the other of one."""
    order = np.random.default_rng(seed).permutation(count)
    found = np.empty(count, np.int64)
    found[order] = np.roll(order, 1)
    return found


__all__ = ["PENALTY", "Ridge", "nearest", "others"]
