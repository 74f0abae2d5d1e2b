"""How many patterns a template keeps of a layer: where the fall of the scores flattens out."""

import math

import numpy as np
from numpy.typing import NDArray

#: Share of the scores that is looked at, and of their range that the lowest of these must be surpassed by.
_TOP, _TAIL = 0.1, 0.1
#: Ranks up to .4 / lambda are kept, and values of the floor that are tried.
_KEPT, _FLOORS = 0.4, 64


def fall_rate(scores: NDArray[np.float64]) -> float:
    """Return lambda of the best fit of alpha exp(-sqrt(lambda rank)) + beta to falling scores; ranks begin with 1.

    Parameters
    ----------
    scores : float64 ndarray of shape (n,)
        From high to low.

    Notes
    -----
    Beta is tried at 64 values, from a hundred thousandth of the range of the scores below the lowest to a whole range, in equal
    ratios; with each of them log(score - beta) is linear in sqrt(rank). The fit of least squares in the scores counts; 0 where
    scores do not fall.
    """
    span = float(scores[0] - scores[-1])
    if len(scores) < 3 or span <= 0:
        return 0.0
    root, best, rate = np.sqrt(np.arange(1, len(scores) + 1)), math.inf, 0.0
    apart = root - root.mean()
    for below in np.geomspace(1e-5, 1.0, _FLOORS).tolist():
        floor = scores[-1] - span * below
        logs = np.log(scores - floor)
        slope = float((apart * logs).sum() / (apart**2).sum())
        fitted = np.exp(logs.mean() + slope * apart) + floor
        error = float(((scores - fitted) ** 2).sum())
        if error < best:
            best, rate = error, slope**2
    return rate


def kept_count(scores: NDArray[np.float64]) -> int:
    """Return how many of the highest scores are kept; at least one of any, and at most a tenth.

    Parameters
    ----------
    scores : float64 ndarray of shape (n,)
        Of all patterns, from high to low.

    References
    ----------
    The released code of AAAI 2017: the top tenth, of it what is a tenth of its range above its end, and of it ranks up to .4 /
    lambda.
    """
    if not len(scores):
        return 0
    top = scores[: max(1, math.ceil(_TOP * len(scores)))]
    above = top[top > top[-1] + _TAIL * (top[0] - top[-1])]
    if not len(above):
        return len(top)
    rate = fall_rate(above)
    return len(above) if rate <= 0 else min(len(above), math.ceil(_KEPT / rate))


__all__ = ["fall_rate", "kept_count"]
