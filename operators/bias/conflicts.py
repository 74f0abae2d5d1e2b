"""Relations against what a person expects of them: which are missing, and which should not be there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A pair of which nothing is expected.
UNKNOWN = 2
#: Pairs of one expectation, beside the one at hand, from which its distribution is taken.
ENOUGH = 3
#: Least standard deviation: on a network whose gradients are the same on all views every other divergence would be infinite.
LEAST = 0.01
#: Kinds of conflicts; the first is none.
KINDS = ("", "blind_spot", "failure_mode")


@dataclass(frozen=True)
class Conflicts:
    """What P pairs are, held against expectations.

    Attributes
    ----------
    divergence : float64 ndarray of shape (P,)
        KL divergence of the relation mined from the one expected, in nats; NaN where nothing is expected.
    kind : int64 ndarray of shape (P,)
        Index into `KINDS`.
    assumed : bool ndarray of shape (P,)
        Whether fewer than `ENOUGH` other pairs have the same expectation, so that the median strength of all pairs stands
        for theirs.
    """

    divergence: NDArray[np.float64]
    kind: NDArray[np.int64]
    assumed: NDArray[np.bool_]


def divergence(mean: float, deviation: float, other: float, spread: float) -> float:
    """Return KL(N(mean, deviation^2) || N(other, spread^2)) in nats; deviations are at least `LEAST`."""
    p, q = max(deviation, LEAST), max(spread, LEAST)
    return float(np.log(q / p) + (p**2 + (mean - other) ** 2) / (2 * q**2) - 0.5)


def conflicts(
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    expected: NDArray[np.int8],
) -> Conflicts:
    """Hold the relations of P pairs against expectations.

    The relations expected to be positive, negative or none are each taken as one normal distribution: about their mean,
    which is 0 for none, with the variance of all their values, over views and pairs, the pair at hand left out.

    Parameters
    ----------
    mean, deviation, low, high : float64 ndarray of shape (P,)
        Mean and standard deviation of the relation over views, and the interval of the mean; NaN where it is not known.
    expected : int8 ndarray of shape (P,)
        1, -1, 0 or `UNKNOWN`.

    Returns
    -------
    Conflicts
        `blind_spot`: a relation that is expected and is weaker than half of what others like it are. `failure_mode`: one
        that is not expected and is stronger than half of the median of those that are, or one of the other sign than
        expected, its interval on that side of 0.

    References
    ----------
    Zhang, Wang & Zhu 2018, Examining CNN Representations with Respect to Dataset Bias, section 3. The text could not be had
    in full: how the distributions are formed is ours.
    """
    known = ~np.isnan(mean)
    signed = known & np.isin(expected, (1, -1))
    strength = float(np.median(np.abs(mean[known]))) if known.any() else 0.0
    strong = float(np.median(np.abs(mean[signed]))) if signed.sum() >= ENOUGH else strength
    found = np.full(len(mean), np.nan), np.zeros(len(mean), np.int64), np.zeros(len(mean), np.bool_)
    for pair in np.flatnonzero(known & (expected != UNKNOWN)):
        sign = int(expected[pair])
        alike = known & (expected == sign)
        alike[pair] = False
        centre, spread, assumed = _expected(sign, mean, deviation, alike, known, strength)
        found[0][pair] = divergence(mean[pair], deviation[pair], centre, spread)
        found[2][pair] = assumed
        if sign == 0:
            kind = 2 if abs(mean[pair]) > strong / 2 else 0
        else:
            reversed_ = high[pair] < 0 if sign > 0 else low[pair] > 0
            kind = 2 if reversed_ else 1 if sign * mean[pair] < sign * centre / 2 else 0
        found[1][pair] = kind
    return Conflicts(*found)


def _expected(
    sign: int,
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    alike: NDArray[np.bool_],
    known: NDArray[np.bool_],
    strength: float,
) -> tuple[float, float, bool]:
    """Return mean and standard deviation of what is expected of a pair, and whether they are assumed."""
    if alike.sum() < ENOUGH or (sign and sign * float(mean[alike].mean()) <= 0):
        # too few, or those expected to be of one sign are of the other: no pattern to go by
        return sign * strength, float(np.sqrt((deviation[known] ** 2).mean())), True
    centre = float(mean[alike].mean()) if sign else 0.0
    return centre, float(np.sqrt((deviation[alike] ** 2 + (mean[alike] - centre) ** 2).mean())), False


__all__ = ["ENOUGH", "KINDS", "LEAST", "UNKNOWN", "Conflicts", "conflicts", "divergence"]
