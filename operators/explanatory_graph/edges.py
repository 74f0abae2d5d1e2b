"""Edges: which upper nodes move with a node, and where they expect it on an image."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.explanatory_graph.settings import Mode


@dataclass(frozen=True)
class Candidates:
    """Upper nodes that a node may be tied to, best first.

    Attributes
    ----------
    position : float32 ndarray of shape (I, U, 2)
        y and x on every view, in input pixels.
    deformation : float64 ndarray of shape (U,)
        Their deformations in pixels [sigma].
    learning : bool ndarray of shape (I,)
        Views that the graph is learned from: means are taken over these.
    """

    position: NDArray[np.float32]
    deformation: NDArray[np.float64]
    learning: NDArray[np.bool_]

    def moved(self) -> NDArray[np.float64]:
        """Return positions less their means over the learning views, (U, I, 2)."""
        position = self.position.astype(np.float64)
        return np.ascontiguousarray((position - position[self.learning].mean(axis=0)).transpose(1, 0, 2))


# coefficients of 2^f on [-1/2, 1/2], of error below 2e-8 (Taylor of exp(f ln 2))
_C1, _C2, _C3 = np.float32(0.6931471805599453), np.float32(0.2402265069591007), np.float32(0.05550410866482158)
_C4, _C5, _C6 = np.float32(0.009618129107628477), np.float32(0.0013333558146428443), np.float32(0.00015403530393381608)
_LOG2_E, _LOWEST = np.float32(1.4426950408889634), np.float32(-120.0)


@njit(cache=True, nogil=True)
def _agreement(
    moved: NDArray[np.float32], score: NDArray[np.float32], upper: NDArray[np.float32], found: NDArray[np.float64]
) -> None:
    """Go over candidates in the innermost loops: no sum runs along them, so that they are vectorised without reordering."""
    nodes, images, others = moved.shape[0], moved.shape[1], upper.shape[2]
    away, scale = np.empty((images, others), np.float32), np.empty(others, np.float32)
    mean, total = np.empty(others), np.empty(others)
    bits = np.empty(others, np.int32)
    power = bits.view(np.float32)
    share = np.empty(others, np.float32)
    for node in range(nodes):
        mean[:] = 0.0
        for image in range(images):
            y, x, far = moved[node, image, 0], moved[node, image, 1], away[image]
            uy, ux = upper[image, 0], upper[image, 1]
            for other in range(others):
                dy, dx = y - uy[other], x - ux[other]
                far[other] = dy * dy + dx * dx
                mean[other] += far[other]
        for other in range(others):
            scale[other] = -0.5 * _LOG2_E * images / mean[other] if mean[other] > 0.0 else 0.0
        total[:] = 0.0
        for image in range(images):
            weight, far = score[node, image], away[image]
            if weight > 0.0:
                for other in range(others):
                    z = max(far[other] * scale[other], _LOWEST)
                    whole = np.int32(z - np.float32(0.5))
                    f = z - np.float32(whole)
                    bits[other] = (whole + np.int32(127)) << np.int32(23)
                    share[other] = np.float32(1.0) + f * (_C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * _C6)))))
                for other in range(others):
                    total[other] += weight * share[other] * power[other]
        found[node] = total


def choose_edges(
    position: NDArray[np.float32], score: NDArray[np.float32], upper: NDArray[np.float64], count: int
) -> NDArray[np.int64]:
    """Return the upper nodes that keep the steadiest displacement to each node, best first: shape (K, M).

    An upper node scores sum_I score_I exp(-d_I^2 / 2 mean(d^2)), d the change of the displacement between both; ties go to
    the earlier candidate.

    Parameters
    ----------
    position : float32 ndarray of shape (I, K, 2)
        Inferred positions on the learning views.
    score : float32 ndarray of shape (I, K)
        Their scores.
    upper : float64 ndarray of shape (U, I, 2)
        Candidates' positions less their means, on the same views.
    count : int
        Edges a node, at most [M].
    """
    place = position.astype(np.float64)
    moved = np.ascontiguousarray((place - place.mean(axis=0)).transpose(1, 0, 2), np.float32)
    found = np.empty((moved.shape[0], len(upper)))
    above = np.ascontiguousarray(upper.transpose(1, 2, 0), np.float32)
    _agreement(moved, np.ascontiguousarray(score.T, np.float32), above, found)
    return np.argsort(-found, axis=1, kind="stable")[:, :count]


@njit(cache=True, nogil=True)
def _expect(
    edges: NDArray[np.int64], moved: NDArray[np.float64], deformation: NDArray[np.float64], release: bool,
    delta: NDArray[np.float64], deviation: NDArray[np.float64], factor: NDArray[np.float64],
) -> None:  # fmt: skip
    nodes, count = edges.shape
    precision = np.empty(count)
    for node in range(nodes):
        weights = logs = 0.0
        for place in range(count):
            sigma = deformation[edges[node, place]]
            precision[place] = 1.0 / (sigma * sigma)
            weights += precision[place]
            logs += np.log(sigma)
        deviation[node] = np.sqrt(count / weights)
        level = deviation[node] * np.exp(-logs) if release else (deviation[node] * np.exp(-logs / count)) ** 2
        for image in range(moved.shape[1]):
            dy = dx = 0.0
            for place in range(count):
                edge = edges[node, place]
                dy += precision[place] * moved[edge, image, 0]
                dx += precision[place] * moved[edge, image, 1]
            dy, dx = dy / weights, dx / weights
            apart = 0.0
            for place in range(count):
                edge = edges[node, place]
                oy, ox = dy - moved[edge, image, 0], dx - moved[edge, image, 1]
                apart += (oy * oy + ox * ox) * precision[place]
            delta[image, node, 0], delta[image, node, 1] = dy, dx
            factor[image, node] = level * np.exp(-0.5 * apart / count)


def expected_moves(
    edges: NDArray[np.int64], moved: NDArray[np.float64], deformation: NDArray[np.float64], mode: Mode
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return what the upper nodes of K nodes expect on I images: the product of their Gaussians, each to the power 1/M.

    Parameters
    ----------
    edges : int64 ndarray of shape (K, M)
        Upper nodes of each node.
    moved : float64 ndarray of shape (U, I, 2)
        Positions of the upper nodes less their means.
    deformation : float64 ndarray of shape (U,)
        Their deformations.
    mode : str
        release: each factor of lambda over its deformation without the power 1/M, and one axis alone.

    Returns
    -------
    (float64 ndarray of shape (I, K, 2), (K,), (I, K))
        Move from mu [Delta], deviation [s] and agreement [lambda].
    """
    images, nodes = moved.shape[1], len(edges)
    delta, deviation, factor = np.empty((images, nodes, 2)), np.empty(nodes), np.empty((images, nodes))
    _expect(edges, moved, deformation, mode == "release", delta, deviation, factor)
    return delta, deviation, factor


__all__ = ["Candidates", "choose_edges", "expected_moves"]
