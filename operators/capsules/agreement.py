"""Whether routing selects: agreement of votes with their capsule, by its own coupling and by that of other classes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Selection(NamedTuple):
    """What routing selects on each of n images.

    Attributes
    ----------
    agreement : float64 ndarray of shape (n,)
        Cosine between the capsule of the true class and the votes for it, each weighing as much as it is coupled.
    permuted : float64 ndarray of shape (n,)
        The same, with the coupling of the other classes, on average; as high where routing selects nothing.
    other : float64 ndarray of shape (n,)
        Agreement of the other classes with their own coupling, on average.
    entropy : float64 ndarray of shape (n,)
        Entropy of the coupling of a primary capsule over classes, in units of that of uniform coupling, on average.
    shares : float64 ndarray of shape (n, classes, types)
        Share of each type of primary capsules in the coupling of each class.
    """

    agreement: NDArray[np.float64]
    permuted: NDArray[np.float64]
    other: NDArray[np.float64]
    entropy: NDArray[np.float64]
    shares: NDArray[np.float64]


def selection(
    votes: NDArray[np.floating],
    coupling: NDArray[np.floating],
    capsules: NDArray[np.floating],
    truth: NDArray[np.int64],
    types: int,
) -> Selection:
    """Measure what routing selects.

    Parameters
    ----------
    votes : float ndarray of shape (n, classes, primary, dims)
        What primary capsules say that the capsule of a class is; those of a type are beside one another.
    coupling : float ndarray of shape (n, classes, primary)
        How much each vote counts; the sum over classes is 1.
    capsules : float ndarray of shape (n, classes, dims)
        What was made of the votes.
    truth : int64 ndarray of shape (n,)
        The true class; there are two or more.
    types : int
        Types of primary capsules.
    """
    n, classes, primary = coupling.shape
    coupling = coupling.astype(np.float64)
    long = np.linalg.norm(votes, axis=3) * np.linalg.norm(capsules, axis=2)[:, :, None]
    cosine = np.einsum("njid,njd->nji", votes, capsules) / np.maximum(long, np.finfo(np.float32).tiny)
    weight = coupling / coupling.sum(axis=2, keepdims=True)
    agreed = np.einsum("nji,nki->njk", cosine, weight)  # votes for j, coupling of k
    rows, others = np.arange(n), classes - 1
    own = np.diagonal(agreed, axis1=1, axis2=2)
    right = own[rows, truth]
    spread = -(coupling * np.log(np.maximum(coupling, np.finfo(np.float64).tiny))).sum(axis=1) / np.log(classes)
    return Selection(
        right,
        (agreed[rows, truth].sum(axis=1) - right) / others,
        (own.sum(axis=1) - right) / others,
        spread.mean(axis=1),
        weight.reshape(n, classes, types, primary // types).sum(axis=3),
    )


def top_type(shares: NDArray[np.float64], truth: int) -> tuple[int, float, float]:
    """Return the type of primary capsules that is coupled most to the true class of images, and its shares.

    Parameters
    ----------
    shares : float64 ndarray of shape (n, classes, types)
        As of `Selection`, of images of one class.
    truth : int
        That class.

    Returns
    -------
    int
        The type.
    float
        Its share in the coupling of that class, on average.
    float
        Its share in that of the other classes.
    """
    mean = shares.mean(axis=0)
    top = int(mean[truth].argmax())
    return top, float(mean[truth, top]), float(np.delete(mean[:, top], truth).mean())


__all__ = ["Selection", "selection", "top_type"]
