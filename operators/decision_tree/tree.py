"""Images merged into decision modes, from the leaves up, by the likelihood of their scores.

E = prod_i P(x_i) / prod_i Q(x_i) exp(-beta nodes), P(x_i) = exp(gamma h(x_i)) / Theta, Theta = sum_j exp(gamma h(x_j)) over
positives and negatives, Q the same of the leaves. A positive is scored by its own node, a negative by all, each weighed by
its share of the positives: were it scored by the node nearest to it, many nodes would have none, and merging these costs
nothing however little they have in common, since flat scores are likelier. A merge of two nodes into u changes log E by

    beta + gamma sum_{i in u} (h_new - h_old)(x_i) + N log(Theta_old / Theta_new).

The offset of a node is the mean of what its images' scores leave, so the sum over them is 0: the order of all merges is that of
what they add to Theta, which depends on the two nodes alone. So a pair in the heap never grows stale while both nodes live, and
no gain need be computed again.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.decision_tree.alpha import Mode, chosen
from filterscope.operators.decision_tree.pool import Pooled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: What a second-layer node costs in log E.
BETA = 1.0
#: Whose scores the likelihood is normalised over.
Omega = Literal["both", "positives"]


@dataclass(frozen=True)
class Nodes:
    """Decision modes: h(x) = w . x + bias, w = alpha o g.

    Attributes
    ----------
    directions : float64 ndarray of shape (k, D)
        g: along the sum of the gradients of a node's images, of length 1, or 0 where they cancel.
    weights : float64 ndarray of shape (k, D)
        w.
    bias : float64 ndarray of shape (k,)
        The mean of what w . x leaves of the images' scores.
    """

    directions: Floats
    weights: Floats
    bias: Floats

    @classmethod
    def of(cls, images: Pooled, groups: Iterable[Ints], mode: Mode) -> "Nodes":
        """Return the nodes of groups of images, each ascending; see `alpha.chosen`."""
        found = [_node(images, rows, mode) for rows in groups]
        directions, weights = (np.array([node[n] for node in found]).reshape(-1, images.g.shape[1]) for n in (0, 1))
        return cls(directions, weights, np.array([bias for _, _, bias in found]))

    def take(self, nodes: Ints) -> "Nodes":
        """Return some of the nodes, in any order and number."""
        return Nodes(self.directions[nodes], self.weights[nodes], self.bias[nodes])


def _node(images: Pooled, rows: Ints, mode: Mode) -> tuple[Floats, Floats, float]:
    along = images.g[rows].sum(axis=0)
    length = np.sqrt((along**2).sum())
    direction = along / length if length > 1e-10 else np.zeros_like(along)
    x, y = images.x[rows], images.y[rows]
    weights = chosen(mode, x * direction, y) * direction
    return direction, weights, float((y - (x * weights).sum(axis=1)).mean())


@dataclass(frozen=True)
class Tree:
    """A binary tree over n images: nodes 0 to n - 1 are the images, node n + t is what merge t made, 2 n - 2 is the root.

    Attributes
    ----------
    left, right : int64 ndarray of shape (2 n - 1,)
        Children, the lower number first; -1 of leaves.
    gain : float64 ndarray of shape (2 n - 1,)
        By how much its merge changed log E; NaN of leaves.
    nodes : Nodes
        All 2 n - 1; a leaf's score is that of its image.
    second : int
        Nodes of the second layer: where merging had to stop, for no merge of two nodes raised E. Merges beyond, up to
        the root, are those that lower it least.
    """

    left: Ints
    right: Ints
    gain: Floats
    nodes: Nodes
    second: int

    @property
    def leaves(self) -> int:
        """How many images there are."""
        return (len(self.left) + 1) // 2

    @property
    def parent(self) -> Ints:
        """Parent of each node, -1 of the root; int64 of shape (2 n - 1,)."""
        parent = np.full(len(self.left), -1)
        made = np.arange(self.leaves, len(self.left))
        parent[self.left[made]] = parent[self.right[made]] = made
        return parent

    def at(self, nodes: int) -> Ints:
        """Return the node that each leaf is in where the tree is cut into so many nodes, 1 to n; int64 of shape (n,)."""
        beyond, parent = 2 * self.leaves - nodes, self.parent
        node = np.arange(len(self.left))
        for number in range(len(node) - 2, -1, -1):  # parents have higher numbers
            if parent[number] < beyond:
                node[number] = node[parent[number]]
        return node[: self.leaves]

    def members(self) -> list[Ints]:
        """Return the leaves of each node, ascending."""
        found = [np.array([leaf]) for leaf in range(self.leaves)]
        for made in range(self.leaves, len(self.left)):
            found.append(np.sort(np.concatenate([found[self.left[made]], found[self.right[made]]])))
        return found


def grow(
    positives: Pooled,
    negatives: Pooled,
    *,
    nearest: int | None = 20,
    omega: Omega = "both",
    mode: Mode = "ones",
    beta: float = BETA,
) -> Tree:
    """Grow a tree.

    Parameters
    ----------
    positives : Pooled
        n images, at least one, with scores above 0.
    negatives : Pooled
        Images that P is normalised over too.
    nearest : int, optional
        Only pairs among so many nearest by cosine are tried; None tries all. When none of them raises E, they are sought
        anew.
    omega : {"both", "positives"}
        Whether negatives count.
    mode : {"ones", "lasso", "binary"}
        How nodes weigh their filters in the end. Merging itself takes all of them: fitted weights follow the few images of
        a small node so closely that images of different modes are merged.
    beta : float
        Penalty of a node.
    """
    merging = _Merging(positives, negatives, omega)
    count, second = len(positives.y), None
    heap: list[tuple[float, int, int]] = []
    fresh = True
    merging.push(heap, range(count), nearest)
    while len(merging.alive) > 1:
        while heap and not (heap[0][1] in merging.alive and heap[0][2] in merging.alive):
            heapq.heappop(heap)
        gain = merging.gain(heap[0][0], beta) if heap else -np.inf
        if gain <= 0 and not fresh and (second is None or not heap):
            heap, fresh = [], True
            merging.push(heap, sorted(merging.alive), nearest)
            continue
        if gain <= 0 and second is None:
            second = len(merging.alive)
        made = merging.merge(*heapq.heappop(heap), gain)
        fresh = False
        merging.push(heap, [made], nearest)
    return fitted(*merging.found(), 1 if second is None else second, positives, mode)


def fitted(left: Ints, right: Ints, gain: Floats, second: int, images: Pooled, mode: Mode) -> Tree:
    """Return a tree of this shape with the weights and offsets of its nodes; see `Tree` and `grow`."""
    leaves = Nodes(images.g, images.g, images.b)
    bare = Tree(left, right, gain, leaves, second)
    inner = Nodes.of(images, bare.members()[len(images.y) :], mode)
    pairs = zip(vars(leaves).values(), vars(inner).values(), strict=True)
    return replace(bare, nodes=Nodes(*map(np.concatenate, pairs)))


class _Merging:
    """What is alive, in slots: a new node takes the slot of the lower of its two."""

    def __init__(self, positives: Pooled, negatives: Pooled, omega: Omega) -> None:
        count = len(positives.y)
        self.count = count
        others = negatives.take(negatives.length > 0) if omega == "both" else negatives.take(np.zeros(0, np.int64))
        self.y = positives.y
        mean = self.y.mean()
        self.gamma = 1 / mean if mean > 0 else 1.0
        # Of the sum of a slot's gradients with every x, and of the sums of two slots; no BLAS: its sums may depend on the
        # number of threads.
        self.products = np.einsum("nd,md->nm", positives.g, positives.x)
        self.crossed = np.einsum("nd,md->nm", positives.g, others.x)
        self.cosines = np.einsum("nd,md->nm", positives.g, positives.g)
        self.next = np.full(count, -1)
        self.head, self.tail = np.arange(count), np.arange(count)
        self.alive = {leaf: leaf for leaf in range(count)}  # node -> slot
        self.left, self.right, self.gains = [-1] * count, [-1] * count, [np.nan] * count
        self.shift = float(self.gamma * self.y.max())
        at_leaf = np.exp(self.gamma * (self.crossed + positives.b[:, None]) - self.shift)
        self.theta = np.exp(self.gamma * self.y - self.shift) + at_leaf.sum(axis=1) / count  # of Theta, by slot

    def gain(self, added: float, beta: float) -> float:
        """Return by how much log E changes where Theta grows by so much."""
        total = self.theta.sum()
        with np.errstate(divide="ignore"):
            return float(beta - self.count * np.log1p(max(added / total, -1.0)))

    def push(self, heap: list[tuple[float, int, int]], nodes: Iterable[int], nearest: int | None) -> None:
        """Push the pairs of some nodes with the nodes nearest to each, or with all."""
        known = np.array(sorted(self.alive))
        slots = np.array([self.alive[node] for node in known.tolist()])
        length = np.sqrt(self.cosines[slots, slots].clip(min=1e-300))
        pairs = dict[tuple[int, int], None]()
        for node in nodes:
            others = known[known != node]
            if nearest is not None and nearest < len(others):
                cosine = self.cosines[self.alive[node], slots[known != node]] / length[known != node]
                others = others[np.argsort(-cosine, kind="stable")[:nearest]]
            pairs |= dict.fromkeys((min(node, other), max(node, other)) for other in others.tolist())
        at = np.array([(self.alive[one], self.alive[other]) for one, other in pairs], np.int64).reshape(-1, 2)
        added = _added(
            at,
            self.products,
            self.crossed,
            self.cosines,
            self.next,
            self.head,
            self.y,
            self.theta,
            self.gamma,
            self.shift,
        )
        for pair, value in zip(pairs, added.tolist(), strict=True):
            heapq.heappush(heap, (value, *pair))

    def merge(self, added: float, one: int, other: int, gain: float) -> int:
        """Merge two nodes, which adds so much to Theta, and return the number of what they became."""
        slot, gone = self.alive.pop(one), self.alive.pop(other)
        self.next[self.tail[slot]], self.tail[slot] = self.head[gone], self.tail[gone]
        for sums in (self.products, self.crossed):
            sums[slot] += sums[gone]
        both = self.cosines[slot] + self.cosines[gone]
        both[slot] += both[gone]
        self.cosines[slot] = self.cosines[:, slot] = both
        made = len(self.left)
        self.alive[made] = slot
        self.left.append(one)
        self.right.append(other)
        self.gains.append(gain)
        self.theta[slot], self.theta[gone] = self.theta[slot] + self.theta[gone] + added, 0.0
        return made

    def found(self) -> tuple[Ints, Ints, Floats]:
        """Return left and right children and gains of all nodes so far."""
        return np.array(self.left), np.array(self.right), np.array(self.gains)


@njit(cache=True, nogil=True)
def _added(
    pairs: Ints, products: Floats, crossed: Floats, cosines: Floats, following: Ints, head: Ints, y: Floats, theta: Floats,
    gamma: float, shift: float,
) -> Floats:  # fmt: skip
    """Return what Theta gains where each pair of slots, shape (n, 2), is merged, times exp(-shift)."""
    found, count = np.empty(len(pairs)), len(y)
    for number in range(len(pairs)):
        slot, other = pairs[number]
        square = cosines[slot, slot] + cosines[other, other] + 2.0 * cosines[slot, other]
        over = 1.0 / np.sqrt(square) if square > 1e-20 else 0.0
        rest, images = 0.0, 0
        for start in (head[slot], head[other]):
            at = start
            while at >= 0:
                rest += y[at] - (products[slot, at] + products[other, at]) * over
                images += 1
                at = following[at]
        bias, total = rest / images, 0.0
        for start in (head[slot], head[other]):
            at = start
            while at >= 0:
                total += np.exp(gamma * ((products[slot, at] + products[other, at]) * over + bias) - shift)
                at = following[at]
        for negative in range(crossed.shape[1]):
            product = (crossed[slot, negative] + crossed[other, negative]) * over
            total += images / count * np.exp(gamma * (product + bias) - shift)
        found[number] = total - theta[slot] - theta[other]
    return found


__all__ = ["BETA", "Nodes", "Omega", "Tree", "fitted", "grow"]
