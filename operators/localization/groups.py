"""Groups that find a part: the nodes or filters that keep the steadiest displacement to it where they score high.

A node is triggered by some images and says little on the others, so that its scores weigh what it says, when it is chosen and
when the group points to the part. A node that scores five times its mean or more counts 25 times as much as one at its mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A score counts up to so many times its mean.
LARGEST = 5.0
#: Images that a member must rest on, at least: (sum of weights)^2 over sum of squared weights, weights summed by image.
FEWEST_IMAGES = 8.0
#: Members that are looked at together, so that memory does not grow with their number.
_CHUNK = 2048


def score_weights(score: NDArray[np.floating], learning: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return min(score / mean, 5)^2, the mean being over learning views; 0 where a score is not above 0.

    Parameters
    ----------
    score : float ndarray of shape (I, N)
        Of N nodes or filters on I views.
    learning : int ndarray of shape (n,)
        Rows of the views that the mean is taken over.
    """
    positive = np.maximum(score, 0).astype(np.float32)
    mean = positive[learning].mean(axis=0, dtype=np.float64)
    relative = positive / np.where(mean > 0, mean, 1.0).astype(np.float32)
    return np.asarray(np.minimum(relative, LARGEST) ** 2, np.float32)


@dataclass(frozen=True)
class Group:
    """K members of a group, the steadiest first.

    Attributes
    ----------
    members : int64 ndarray of shape (K,)
        Numbers of nodes or filters.
    offset : float64 ndarray of shape (K, 2)
        y and x of the part less those of the member, the mean over learning views weighted by scores, in input pixels.
    deviation : float64 ndarray of shape (K,)
        Deviation of that vector, weighted alike, in pixels.
    images : float64 ndarray of shape (K,)
        Effective images that both rest on.
    """

    members: NDArray[np.int64]
    offset: NDArray[np.float64]
    deviation: NDArray[np.float64]
    images: NDArray[np.float64]


def choose_group(
    position: NDArray[np.floating],
    weight: NDArray[np.float32],
    part: NDArray[np.float64],
    images: NDArray[np.int64],
    count: int,
) -> Group:
    """Choose the members whose displacement to a part varies least on learning views, as far as they rest on enough images.

    Parameters
    ----------
    position : float ndarray of shape (n, N, 2)
        y and x of N nodes or filters on n learning views; NaN where there is none.
    weight : float32 ndarray of shape (n, N)
        From `score_weights`.
    part : float64 ndarray of shape (n, 2)
        y and x of the part.
    images : int64 ndarray of shape (n,)
        Source images: a crop and its mirror image are one.
    count : int
        Members, at most. Ties go to the earlier one.
    """
    parts = [
        _displacements(position[:, at : at + _CHUNK], weight[:, at : at + _CHUNK], part, images)
        for at in range(0, position.shape[1], _CHUNK)
    ]
    offset, deviation, rests = (np.concatenate(values) for values in zip(*parts, strict=True))
    order = np.argsort(np.where(rests >= FEWEST_IMAGES, deviation, np.inf), kind="stable")
    members = order[: min(count, int((rests >= FEWEST_IMAGES).sum()))]
    return Group(members, offset[members], deviation[members], rests[members])


def _displacements(
    position: NDArray[np.floating], weight: NDArray[np.float32], part: NDArray[np.float64], images: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return weighted mean and deviation of displacements, and effective images."""
    there = ~np.isnan(position[..., 0])
    counts = np.where(there, weight, 0.0).astype(np.float64)
    apart = np.where(there[..., None], part[:, None] - position, 0.0).astype(np.float64)
    total = counts.sum(axis=0)
    some = np.where(total > 0, total, 1.0)
    offset = (counts[..., None] * apart).sum(axis=0) / some[:, None]
    deviation = np.sqrt((counts * ((apart - offset) ** 2).sum(axis=2)).sum(axis=0) / some)
    _, image = np.unique(images, return_inverse=True)
    by_image = np.zeros((image.max(initial=-1) + 1, counts.shape[1]))
    np.add.at(by_image, image, counts)
    squares = (by_image**2).sum(axis=0)
    return offset, deviation, total**2 / np.where(squares > 0, squares, 1.0)


def pointed_at(
    group: Group, position: NDArray[np.floating], weight: NDArray[np.float32], usual: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a group finds the part on n views, and where each member does.

    Parameters
    ----------
    group : Group
        K members.
    position, weight : float ndarrays of shape (n, N, 2) and (n, N)
        Of all nodes or filters, as in `choose_group`.
    usual : float64 ndarray of shape (2,)
        Where the part is taken to be if no member fires.

    Returns
    -------
    (float64 ndarray of shape (n, 2), float64 ndarray of shape (n, K, 2))
        The mean over members, weighted by their scores on the view; and theirs, NaN where a member has no position.
    """
    each = position[:, group.members].astype(np.float64) + group.offset
    there = ~np.isnan(each[..., 0])
    counts = np.where(there, weight[:, group.members], 0.0).astype(np.float64)
    total = counts.sum(axis=1)
    mean = (counts[..., None] * np.where(there[..., None], each, 0.0)).sum(axis=1)
    mean /= np.where(total > 0, total, 1.0)[:, None]
    return np.where(total[:, None] > 0, mean, usual), each


__all__ = ["FEWEST_IMAGES", "LARGEST", "Group", "choose_group", "pointed_at", "score_weights"]
