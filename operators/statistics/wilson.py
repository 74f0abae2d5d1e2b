"""The interval of a share by Wilson's score."""

import numpy as np
from numpy.typing import NDArray

_Z = 1.959963984540054


def wilson(successes: NDArray[np.int64], trials: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the 95 % interval of shares; NaN where there were no trials.

    Parameters
    ----------
    successes, trials : integer ndarray of shape (n,)
        How often something came about, and in how many trials.

    Returns
    -------
    low, high : float64 ndarray of shape (n,)

    References
    ----------
    Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
    """
    count = np.asarray(trials, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = successes / count
        centre = share + _Z**2 / (2 * count)
        reach = _Z * np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
        whole = 1 + _Z**2 / count
        return np.clip((centre - reach) / whole, 0, 1), np.clip((centre + reach) / whole, 0, 1)


__all__ = ["wilson"]
