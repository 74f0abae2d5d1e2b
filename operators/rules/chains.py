"""Rules on the labels of a sequence: the posterior over chains, by forward and backward passes."""

import numpy as np
from numpy.typing import NDArray


def chain_posterior(log_p: NDArray[np.float64], penalty: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return q(y_t | x) where q(y | x) is proportional to the product of p(y_t | x) and exp(-penalty(y_t-1, y_t)).

    Parameters
    ----------
    log_p : float64 ndarray of shape (T, S)
        Logarithm of a network's probability of each of S labels at each of T places; -inf for 0.
    penalty : float64 ndarray of shape (S, S)
        C times the sum of weight times 1 - truth over the rules on a label (row) and the next one (column); inf forbids a pair.

    Returns
    -------
    float64 ndarray of shape (T, S)
        Marginals; rows sum to 1.

    Raises
    ------
    ValueError
        If the rules forbid every chain.

    References
    ----------
    Hu et al. 2016, section 4.2: that I-X follows B-X or I-X is a rule on bigrams, solved by dynamic programming.
    """
    length = len(log_p)
    forward, backward = np.array(log_p, np.float64), np.zeros_like(log_p, np.float64)
    for place in range(1, length):
        forward[place] += _joined(forward[place - 1][:, None] - penalty)
    for place in range(length - 2, -1, -1):
        backward[place] = _joined((log_p[place + 1] + backward[place + 1] - penalty).T)
    energy = forward + backward
    top = energy.max(axis=1, keepdims=True, initial=-np.inf)
    if not np.isfinite(top).all():
        raise ValueError("the rules forbid every chain of labels")
    shares = np.exp(energy - top)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _joined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the sum of exponentials over rows, -inf where all are."""
    top = values.max(axis=0)
    base = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(base + np.log(np.exp(values - base).sum(axis=0)))


__all__ = ["chain_posterior"]
