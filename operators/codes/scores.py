"""Summaries of how codes and factors correspond: MIG, SAP, and disentanglement, completeness, informativeness.

References
----------
Chen et al. 2018, Isolating Sources of Disentanglement in VAEs, section 4 (MIG); Kumar et al. 2018, Variational Inference of
Disentangled Latent Concepts, section 3 (SAP); Eastwood & Williams 2018, A Framework for the Quantitative Evaluation of
Disentangled Representations, section 2 (DCI).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.codes.dependence import binned, entropy, mutual_information
from filterscope.operators.codes.forest import forest


class Scores(NamedTuple):
    """MIG, SAP and DCI of one set of codes; each NaN where it is not defined, as with fewer than two codes."""

    mig: float
    sap: float
    disentanglement: float
    completeness: float
    informativeness: float


def gap(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much the best code of each factor, columns of (K, M), is ahead of the second: float64 of shape (M,)."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    second, first = np.sort(values, axis=0)[-2:]
    return np.asarray(first - second)


def mig(codes: NDArray[np.floating], factors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mutual information gap of each factor, over its entropy: float64 of shape (M,).

    Parameters
    ----------
    codes : ndarray of shape (n, K)
        Finite.
    factors : ndarray of shape (n, M)
        NaN where an image's is not known.
    """
    found = np.full(factors.shape[1], np.nan)
    for number, (known, own, factor) in enumerate(_each(codes, factors)):
        if known:
            bins = binned(factor[:, None])[:, 0]
            found[number] = gap(mutual_information(binned(own), bins)[:, None])[0] / entropy(bins)
    return found


def sap(
    codes: NDArray[np.floating], factors: NDArray[np.floating], classes: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the gap of separate predictability of each factor: float64 of shape (M,).

    The score of a code is its squared correlation with the factor; with a factor of `classes`, whose numbers say nothing, the
    share of its variance that lies between them.
    """
    named = np.zeros(factors.shape[1], bool) if classes is None else classes
    found = np.full(factors.shape[1], np.nan)
    for number, (known, own, factor) in enumerate(_each(codes, factors)):
        if known:
            found[number] = gap(_explained(own, factor, bool(named[number]))[:, None])[0]
    return found


def _each(
    codes: NDArray[np.floating], factors: NDArray[np.floating]
) -> Iterator[tuple[bool, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield for each factor whether it varies, and codes and values of the images of which it is known."""
    for column in factors.T:
        known = ~np.isnan(column)
        values = np.asarray(column[known], np.float64)
        yield len(np.unique(values)) > 1, np.asarray(codes[known], np.float64), values


def _explained(codes: NDArray[np.float64], factor: NDArray[np.float64], named: bool) -> NDArray[np.float64]:
    centred = codes - codes.mean(axis=0)
    total = (centred**2).sum(axis=0)
    if named:
        _, level = np.unique(factor, return_inverse=True)
        sums = np.stack([np.bincount(level, column) for column in centred.T], axis=1)
        between = (sums**2 / np.bincount(level)[:, None]).sum(axis=0)
    else:
        other = factor - factor.mean()
        between = (centred * other[:, None]).sum(axis=0) ** 2 / (other**2).sum()
    return np.where(total > 1e-12 * len(codes), between / np.where(total > 0, total, 1), 0.0)


def dci(importance: NDArray[np.float64]) -> tuple[float, float]:
    """Return disentanglement and completeness of a matrix of importances.

    Parameters
    ----------
    importance : float64 ndarray of shape (K, M)
        Of codes to factors, not negative.

    Returns
    -------
    disentanglement : float
        1 less the entropy, to base M, of what each code matters to; mean weighted by how much a code matters. 1 if every code
        matters to one factor, 0 if all matter to all alike; NaN for a single factor.
    completeness : float
        Likewise of what matters to each factor, to base K, mean weighted by how much of it there is.
    """
    every = importance.sum()
    if not every > 0:
        return float("nan"), float("nan")
    by_code, by_factor = importance.sum(axis=1) / every, importance.sum(axis=0) / every
    return _concentration(importance, by_code), _concentration(importance.T, by_factor)


def _concentration(rows: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    if rows.shape[1] < 2:
        return float("nan")
    share = rows / np.where(weight > 0, rows.sum(axis=1), 1)[:, None]
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return float((weight * (1 + (share * logs).sum(axis=1) / np.log(rows.shape[1]))).sum())


def scores(codes: NDArray[np.floating], factors: NDArray[np.floating], classes: NDArray[np.bool_], seed: int) -> Scores:
    """Return all scores of a set of codes, mean over two halves of the images.

    Parameters
    ----------
    codes : ndarray of shape (n, K)
        Finite.
    factors : ndarray of shape (n, M)
        NaN where an image's is not known.
    classes : bool ndarray of shape (M,)
        Factors whose numbers are names of classes.
    seed : int
        Of halves and forests.

    Notes
    -----
    Importance is learned on one half; informativeness is R2, or the accuracy of classes, on the other, mean over factors, and
    not below 0.
    """
    random = np.random.Generator(np.random.PCG64(seed % 2**63))
    order = random.permutation(len(codes))
    halves = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    found = []
    for half, (own, other) in enumerate((halves, halves[::-1])):
        with np.errstate(invalid="ignore"):
            gaps = _mean(mig(codes[own], factors[own])), _mean(sap(codes[own], factors[own], classes))
        importance, told = _importances(codes, factors, classes, (own, other), seed + half)
        found.append((*gaps, *dci(importance), told))
    return Scores(*(float(value) for value in np.mean(found, axis=0)))


def _importances(
    codes: NDArray[np.floating],
    factors: NDArray[np.floating],
    classes: NDArray[np.bool_],
    halves: tuple[NDArray[np.int64], NDArray[np.int64]],
    seed: int,
) -> tuple[NDArray[np.float64], float]:
    """Return the importance of codes to factors, learned on the first half, and what is told of the second."""
    importance, told = [], []
    for number in range(factors.shape[1]):
        own, other = (half[~np.isnan(factors[half, number])] for half in halves)
        values, truth = factors[own, number], factors[other, number]
        if len(np.unique(values)) < 2 or len(other) < 2:
            continue
        levels = np.unique(values)
        target = (values[:, None] == levels).astype(np.float64) if classes[number] else values[:, None]
        share, predicted = forest(codes[own], target, codes[other], seed + 2 * number)
        importance.append(share)
        if classes[number]:
            told.append(float((levels[predicted.argmax(axis=1)] == truth).mean()))
        elif truth.std() > 0:
            told.append(1 - float(((predicted[:, 0] - truth) ** 2).mean() / truth.var()))
    if not importance:
        return np.zeros((codes.shape[1], 0)), float("nan")
    return np.stack(importance, axis=1), _mean(np.maximum(told, 0)) if told else float("nan")


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


__all__ = ["Scores", "dci", "gap", "mig", "sap", "scores"]
