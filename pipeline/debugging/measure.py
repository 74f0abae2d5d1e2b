"""Measure: what a network does on each image that measures, and the statistics of these numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from filterscope.operators.bias.edits import filled
from filterscope.operators.bias.relations import Mask, cosines, masked
from filterscope.operators.statistics.repeated import Statistic
from filterscope.pipeline.debugging.material import Material, Side
from filterscope.pipeline.debugging.problem import Problem
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.training.fine_tune import Trained

ACCURACY, WORST, OMEGA, CONTEXT = "accuracy", "worst group", "omega", "context share"
HARD, EASY = "contradicts", "agrees"
#: What is mined at once.
_BATCH = 32


@dataclass(frozen=True)
class Column:
    """A number of each image: its measure, the attribute or class that it is of, the images that count."""

    measure: str
    label: str = ""
    group: str = ""


@dataclass(frozen=True)
class Asked:
    """What is measured beside accuracies.

    Attributes
    ----------
    mask : {"top", "share", "none"}
        Which elements of maps count for a relation.
    omega : int64 ndarray
        Places among the measured views on which the relation is mined; none: it is not.
    regions : mapping of str to (role, masks)
        Regions that are painted over, for each attribute of the pair; the mask of a view that does not show it is None.
    edits : int
        Views of each attribute that are edited at most.
    """

    mask: Mask
    omega: np.ndarray
    regions: "Sequence[Region]" = ()
    edits: int = 0


@dataclass(frozen=True)
class Region:
    """A region, the attributes that are seen there, and its mask in each measured view (None: it does not show it)."""

    name: str
    own: frozenset[str]
    masks: Sequence[np.ndarray | None]


def right(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return 1 where scores (n, names) are right and 0 where not, NaN where the truth is not known: (n, 1) or (n, names)."""
    if target.ndim == 1:
        found, known = (scores.argmax(axis=1) == target)[:, None], (target >= 0)[:, None]
    else:
        found, known = (scores > 0) == (target == 1), target >= 0
    return np.where(known, found, np.nan)


def measured(trained: Trained, material: Material, problem: Problem, asked: Asked) -> tuple[list[Column], np.ndarray]:
    """Measure a network on the views that measure.

    Returns
    -------
    columns : list of Column
        K of them.
    values : float32 ndarray of shape (n, K)
        A row for each of `Material.measuring`; NaN where an image does not count.
    """
    side, views = material.new, material.measuring()
    rows = side.rows(views)
    scores = trained.scores(rows.pixels)
    correct = right(scores, rows.target)
    found = list(_accuracies(problem, side, views, correct))
    if problem.pair is not None and len(asked.omega):
        omega = np.full(len(views), np.nan)
        omega[asked.omega] = _relation(trained, problem, side, rows.pixels[asked.omega], asked.mask)
        found.append((Column(OMEGA), omega))
    if problem.pair is not None and asked.edits:
        for name, place in zip(problem.pair, problem.columns(side), strict=True):
            found += _lost(trained, name, place, rows.pixels, scores[:, place], rows.target[:, place], asked)
    return [column for column, _ in found], np.stack([values for _, values in found], axis=1).astype(np.float32)


def _accuracies(
    problem: Problem, side: Side, views: np.ndarray, correct: np.ndarray
) -> Iterator[tuple[Column, np.ndarray]]:
    """Yield columns of accuracy: of all, of both groups, and of the groups of which the worst is told."""
    hard, groups, known = problem.hard(side)[views], problem.groups(side)[views], ~np.isnan(correct)
    with np.errstate(invalid="ignore"):
        overall = np.where(known, correct, 0).sum(axis=1) / known.sum(axis=1)
    yield Column(ACCURACY), overall
    if problem.pair is None:
        of = {"": correct[:, 0] if correct.shape[1] == 1 else overall}
    else:
        of = {name: correct[:, place] for name, place in zip(problem.pair, problem.columns(side), strict=True)}
    for name, own in of.items():
        if hard.any():
            yield Column(ACCURACY, name, HARD), np.where(hard, own, np.nan)
            easy = ~hard & (groups >= 0 if problem.pair else True)
            yield Column(ACCURACY, name, EASY), np.where(easy, own, np.nan)
        for group in np.unique(groups[groups >= 0]).tolist():
            yield Column(WORST, name, str(group)), np.where(groups == group, own, np.nan)


def _relation(trained: Trained, problem: Problem, side: Side, pixels: np.ndarray, mask: Mask) -> np.ndarray:
    """Return the cosine of the patterns of both attributes on each image; NaN where one has none."""
    network = network_of(trained, problem.layer)
    found = np.full(len(pixels), np.nan)
    for rows, _, values, slopes in network.gradients_of_classes(pixels, problem.columns(side), (problem.layer,)):
        for place, view in enumerate(range(rows.start, rows.stop)):
            flat = slopes[problem.layer][place].reshape(2, -1)
            kept, _ = masked(flat, flat * values[problem.layer][place].reshape(1, -1), mask)
            found[view] = cosines(kept)[0]
    return found


def network_of(trained: Trained, layer: str) -> Network:
    """Return a network with a layer tapped."""
    transform, device = trained.description.transform, trained.device
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1) * 255.0
        for values in (transform.mean, transform.std)
    )
    return Network(Taps(trained.network, (layer,), dtype=None), (layer,), _BATCH, 1.0, device, mean, std)


def pulls(trained: Trained, layer: str, place: int, pixels: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return by how much each unit of a layer pulls the score of an attribute to the wrong side, float64 of shape (units,).

    Gradient times map, summed over positions, of the wrong sign, and averaged over the images.
    """
    network, total = network_of(trained, layer), np.zeros(0)
    for rows, _, values, slopes in network.gradients_of_classes(pixels, (place,), (layer,)):
        wrong = np.where(target[rows] == 1, -1.0, 1.0)
        speak = (slopes[layer][:, 0].astype(np.float64) * values[layer]).sum(axis=(2, 3))
        total = (wrong[:, None] * speak).sum(axis=0) + (total if len(total) else 0)
    return total / max(len(pixels), 1)


def _lost(
    trained: Trained,
    name: str,
    place: int,
    pixels: np.ndarray,
    scores: np.ndarray,
    target: np.ndarray,
    asked: Asked,
) -> list[tuple[Column, np.ndarray]]:
    """Return what the score of an attribute loses where a region is painted over: a column for each region."""
    having = np.flatnonzero((scores > 0) & (target == 1))[: asked.edits]
    if not any(name in region.own for region in asked.regions):
        return []
    found = []
    for region in asked.regions:
        shown = [view for view in having.tolist() if region.masks[view] is not None]
        lost = np.full(len(scores), np.nan)
        if shown:
            edited = np.stack([filled(pixels[view], region.masks[view], "mask") for view in shown])
            lost[shown] = scores[shown] - trained.scores(edited)[:, place]
        found.append((Column(CONTEXT, name, "own" if name in region.own else region.name), lost))
    return found


def statistics(columns: Sequence[Column]) -> list[tuple[Column, Statistic]]:
    """Return what is told of columns: accuracies and relations as they are, the worst group, context against own regions."""
    told: list[tuple[Column, Statistic]] = []
    for place, column in enumerate(columns):
        if column.measure in (ACCURACY, OMEGA):
            told.append((column, _at(place)))
    for measure, make in ((WORST, _least), (CONTEXT, None)):
        for label in dict.fromkeys(column.label for column in columns if column.measure == measure):
            own = [n for n, c in enumerate(columns) if (c.measure, c.label) == (measure, label)]
            if make is not None:
                told.append((Column(measure, label), make(own)))
                continue
            inside = [n for n in own if columns[n].group == "own"]
            outside = [n for n in own if n not in inside]
            if inside and outside:
                told.append((Column(measure, label), _ratio(inside, outside)))
    return told


def _at(place: int) -> Statistic:
    return lambda means: means[..., place]


def _least(places: list[int]) -> Statistic:
    # a draw may hold no image of a small group
    return lambda means: np.nan_to_num(means[..., places], nan=np.inf).min(axis=-1)


def _ratio(inside: list[int], outside: list[int]) -> Statistic:
    def ratio(means: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(means[..., outside].max(axis=-1) / means[..., inside].max(axis=-1))

    return ratio


__all__ = ["ACCURACY", "CONTEXT", "EASY", "HARD", "OMEGA", "WORST", "Asked", "Column", "Region", "measured",
           "network_of", "pulls", "right", "statistics"]  # fmt: skip
