"""Class probabilities projected onto rules: the closed form of Hu et al., and what it does for accuracy.

References
----------
Z. Hu, X. Ma, Z. Liu, E. Hovy, E. Xing, Harnessing Deep Neural Networks with Logic Rules, ACL 2016.
"""

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.statistics.paired_bootstrap import DRAWS, poisson_weights

#: Groups whose weights are in memory at once.
_AT_ONCE = 4096


def project(log_p: NDArray[np.float64], penalty: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return q(y | x), proportional to p(y | x) exp(-penalty).

    Parameters
    ----------
    log_p : float64 ndarray of shape (n, S)
        Logarithm of the network's probability of each of S states of an image: a class, or an assignment of labels; -inf for 0.
    penalty : float64 ndarray that broadcasts to (n, S)
        C times the sum over rules of weight times 1 - truth, the truth being that of the rule in this state.

    Returns
    -------
    float64 ndarray of shape (n, S)
        Rows sum to 1.
    """
    energy = log_p - penalty
    shares = np.exp(energy - energy.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def bootstrap_interval(difference: NDArray[np.float64], group: NDArray[np.int64], seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a mean difference, by a Poisson bootstrap over groups.

    Parameters
    ----------
    difference : float64 ndarray of shape (n,)
        Of each view: right by q less right by p.
    group : int64 ndarray of shape (n,)
        Group of each; all of a group are drawn together.
    seed : int
        Of the draws.

    Returns
    -------
    low, high : float
        NaN with fewer than two groups.
    """
    _, place = np.unique(group, return_inverse=True)
    sums = np.stack([np.bincount(place, difference), np.bincount(place).astype(np.float64)])
    if sums.shape[1] < 2:
        return float("nan"), float("nan")
    drawn = np.zeros((2, DRAWS))
    for start in range(0, sums.shape[1], _AT_ONCE):
        part = sums[:, start : start + _AT_ONCE]
        weights = poisson_weights(part.shape[1], seed + start).astype(np.float64)
        drawn += (part[:, :, None] * weights[None]).sum(axis=1)
    means = drawn[0][drawn[1] > 0] / drawn[1][drawn[1] > 0]
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    return low, high


__all__ = ["bootstrap_interval", "project"]
