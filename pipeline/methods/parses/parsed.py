"""The boxes of a layer, the head that is learned on some of them, and the parses of the others."""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.parses.grid import grid_of, mirrored, named
from filterscope.operators.parses.head import Head, class_scores, leaf_scores, learned, pooled
from filterscope.operators.parses.parsing import Parses, deleted, leaf_weights, parse
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.methods.parses.boxes import Boxes, boxes_of
from filterscope.pipeline.methods.parses.cells import read_cells
from filterscope.pipeline.methods.parses.options import ParsesOptions
from filterscope.pipeline.methods.tasks import LayerTask
from filterscope.pipeline.training.features import principal_directions

#: Heads that are learned: the first parses, the second says how much that depends on its initial weights.
SEEDS = 2


@dataclass(frozen=True)
class Parsed:
    """What a layer's heads say of n held-out boxes that are not mirrored.

    Attributes
    ----------
    boxes : Boxes
        All boxes of the run.
    row : int64 ndarray of shape (n,)
        Numbers of the boxes.
    category, predicted : int64 ndarray of shape (n,)
        What they are, and what the head says.
    pooled : int64 ndarray of shape (n,)
        What a linear head on the mean over the box says.
    constant : int
        The category most frequent among the boxes learned from.
    parses : Parses
        Of the predicted category.
    leaf : float64 ndarray of shape (n, R)
        What each rectangle scores for it.
    deleted : float64 ndarray of shape (n, R)
        Score of the best parse without the cells of a rectangle.
    tree : int64 ndarray of shape (n,)
        Number of each parse among `trees`.
    trees : list of str
        Parses by name.
    reseeded : int64 ndarray of shape (n,)
        The tree of the other head for the same category.
    unflipped : int64 ndarray of shape (n,)
        The tree of the mirror image, mirrored; -1 where there is none.
    """

    boxes: Boxes
    row: np.ndarray
    category: np.ndarray
    predicted: np.ndarray
    pooled: np.ndarray
    constant: int
    parses: Parses
    leaf: np.ndarray
    deleted: np.ndarray
    tree: np.ndarray
    trees: list[str]
    reseeded: np.ndarray
    unflipped: np.ndarray


def parsed(task: LayerTask) -> Parsed:
    """Learn the heads of a layer and parse its held-out boxes.

    Raises
    ------
    RunError
        If no box could be read to learn from, or to parse.
    """
    asked, k = task.plan.of(ParsesOptions), task.plan.of(ParsesOptions).cells
    boxes = boxes_of(task.plan, task.model)
    number, raw = read_cells(task)
    heldout = boxes.heldout[number]
    if heldout.all() or not (heldout & ~boxes.flip[number]).any():
        raise RunError(f"no boxes of layer {task.layer.name} of {task.model.name} are left to learn from, or to parse")
    cells = _features(raw, ~heldout, asked.features)
    category, classes = boxes.category[number], len(boxes.names)
    fit = pooled(cells[~heldout], k)
    heads = [_learned(task, fit, category[~heldout], k, seed) for seed in range(SEEDS)]
    whole = cells.mean(axis=1, keepdims=True)
    plain = _learned(task, whole[~heldout], category[~heldout], 1, 0)
    place = np.flatnonzero(heldout & ~boxes.flip[number])
    with threadpool_limits(limits=1):
        features = pooled(cells[place], k)
        predicted = class_scores(heads[0], features).argmax(axis=1)
        leaf = _of_class(heads[0], features, predicted)
        parses = parse(leaf, k)
        again = parse(_of_class(heads[1], features, predicted), k, margins=False)
        gone = _deleted(heads[0], cells[place], predicted)
        flipped = _flipped(heads[0], cells, number, boxes.twin[number[place]], predicted)
        told = class_scores(plain, whole[place]).argmax(axis=1)
    trees, (tree, reseeded, unflipped) = _numbered(k, parses.leaves, again.leaves, flipped)
    constant = int(np.bincount(category[~heldout], minlength=classes).argmax())
    return Parsed(
        boxes, number[place], category[place], predicted, told, constant, parses, leaf, gone, tree, trees, reseeded,
        unflipped,
    )  # fmt: skip


def _features(raw: np.ndarray, fit: np.ndarray, count: int) -> np.ndarray:
    """Return cells on the directions of most variance of those learned from: of mean 0, so that 0 is the data mean."""
    mean, directions = principal_directions(raw[fit].transpose(0, 2, 1)[..., None], min(count, raw.shape[2]))
    with threadpool_limits(limits=1):
        return np.asarray((raw - mean) @ directions.T)


def _learned(task: LayerTask, features: np.ndarray, target: np.ndarray, k: int, seed: int) -> Head:
    asked = task.plan.of(ParsesOptions)
    identity = seed_of("parses", task.plan.data_identity, task.model.weights_sha256, task.layer.name, seed)
    classes = int(boxes_of(task.plan, task.model).category.max()) + 1
    return learned(
        features, target, k, classes, mode=asked.combine, steps=asked.steps, random=np.random.default_rng(identity)
    )


def _of_class(head: Head, features: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.asarray(leaf_scores(head, features)[np.arange(len(chosen)), chosen])


def _deleted(head: Head, cells: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the score of the chosen category without the cells of each rectangle, float64 of shape (n, R)."""
    grid, weights = grid_of(head.k), leaf_weights(head.k, head.mode)
    share = (weights / grid.cells.sum(axis=1))[:, None]
    found = np.empty((len(cells), len(weights)))
    for category in np.unique(chosen):
        mine = np.flatnonzero(chosen == category)
        parts = np.matmul(head.weight[None, :, :, category], cells[mine].transpose(0, 2, 1)) * share
        bias = np.broadcast_to(head.bias[:, category] * weights, (len(mine), len(weights)))
        found[mine] = deleted(parts, bias, head.k)
    return found


def _flipped(head: Head, cells: np.ndarray, number: np.ndarray, twin: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the leaves of mirror images, mirrored back, bool of shape (n, R); none of a box that has no such image."""
    where = np.full(int(max(number.max(), twin.max())) + 1, -1)
    where[number] = np.arange(len(number))
    at = np.where(twin >= 0, where[twin], -1)
    leaves = np.zeros((len(twin), len(grid_of(head.k).rectangles)), bool)
    known = np.flatnonzero(at >= 0)
    if len(known):
        leaf = _of_class(head, pooled(cells[at[known]], head.k), chosen[known])
        leaves[known] = parse(leaf, head.k, margins=False).leaves[:, mirrored(head.k)]
    return leaves


def _numbered(k: int, *leaves: np.ndarray) -> tuple[list[str], list[np.ndarray]]:
    """Return the names of all parses, and the number of each among them; -1 for one without leaves."""
    every, inverse = np.unique(np.concatenate(leaves), axis=0, return_inverse=True)
    names = [named(k, own) for own in every]
    numbers = np.where(np.array([bool(name) for name in names])[inverse.ravel()], inverse.ravel(), -1)
    return names, np.split(numbers, np.cumsum([len(own) for own in leaves])[:-1])


__all__ = ["SEEDS", "Parsed", "parsed"]
