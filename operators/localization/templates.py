"""Templates of a part: nodes retrieved for one annotated view, and where they find the part on others.

A template stands for one annotated view or its mirror image [AND]; a part is where its best template says [OR]. Scores
are those of the released code of multi-shot learning, with nodes of an explanatory graph in the place of units.

References
----------
Q. Zhang, R. Cao, Y. N. Wu, S.-C. Zhu, Growing interpretable part graphs on ConvNets via multi-shot learning, AAAI 2017.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.localization.groups import score_weights
from filterscope.operators.localization.voting import count_votes

#: Score of a node that finds nothing in its window [S_none].
NONE = -3.0
#: Weights of the response and of staying at the usual place.
RESPONSE, USUAL = 1.5, 0.35
#: Deviation of the first two, as a share of the input's side [70 of 224 pixels]; half of it for the last.
SPREAD = 70 / 224


@dataclass(frozen=True)
class Weights:
    """How nodes are retrieved, and what counts in votes and in a template's score.

    Attributes
    ----------
    near : float
        Weight of lying near the part, in retrieval.
    agree : float
        Weight of voting for the found centre, in a template's score.
    squared : bool
        Votes weigh min(score / mean, 5)^2, and a template scores the logarithm of their mean; neither `agree` nor standardised
        responses count then.
    """

    near: float
    agree: float
    squared: bool = False


#: Of the released code, and those that err less on birds and dogs that graphs were learned from: nodes near the part alone,
#: whose votes move the part but do not judge the template.
RELEASED, LOCAL = Weights(2.0, 5.0), Weights(40.0, 0.0)
#: The same with squared scores, as groups of nodes are weighted.
SQUARED = Weights(40.0, 0.0, squared=True)
#: Mean weight of a template of which nothing fires.
_SILENT = 1e-6


@dataclass(frozen=True)
class Found:
    """What N nodes found on I views.

    Attributes
    ----------
    position : float32 ndarray of shape (I, N, 2)
        y and x in input pixels.
    response : float32 ndarray of shape (I, N)
        Scores, standardised node by node; `NONE` where a node found nothing.
    fired : bool ndarray of shape (I, N)
        Where it found something.
    usual : float64 ndarray of shape (N, 2)
        Mean position on the views that the graph was learned from.
    weight : float32 ndarray of shape (I, N)
        Squared scores, from `groups.score_weights`.
    """

    position: NDArray[np.float32]
    response: NDArray[np.float32]
    fired: NDArray[np.bool_]
    usual: NDArray[np.float64]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, position: NDArray[np.float32], score: NDArray[np.float32], learning: NDArray[np.bool_]) -> "Found":
        """Standardise scores by their mean and deviation over the learning views, bool of shape (I,)."""
        seen = score[learning].astype(np.float64)
        deviation = seen.std(axis=0)
        apart = (score - seen.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
        fired = score > 0
        usual = position[learning].astype(np.float64).mean(axis=0)
        weight = score_weights(score, np.flatnonzero(learning))
        return cls(position, np.where(fired, apart, NONE).astype(np.float32), fired, usual, weight)


@dataclass(frozen=True)
class Template:
    """K nodes, and what leads from each to the part on the annotated view.

    Attributes
    ----------
    nodes : int64 ndarray of shape (K,)
        Numbers of the nodes.
    displacement : float64 ndarray of shape (K, 2)
        y and x of the part less those of the node.
    centre : float64 ndarray of shape (2,)
        The part on the annotated view.
    weights : Weights
        How nodes were retrieved and how the template scores.
    """

    nodes: NDArray[np.int64]
    displacement: NDArray[np.float64]
    centre: NDArray[np.float64]
    weights: Weights


def log_gaussian(apart: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    """Return the release's logarithm of a Gaussian of y and x (..., 2): -|d|^2 / (2 (deviation^2 + deviation^2))."""
    return np.asarray(-(apart**2).sum(axis=-1) / (4 * deviation**2), np.float64)


def retrieve(
    found: Found, view: int, centre: NDArray[np.float64], count: int, side: float, weights: Weights = LOCAL
) -> Template:
    """Retrieve the nodes that stand for a part on an annotated view.

    A node scores 1.5 response + .35 log G(position - usual) + near log G(position - part), G of deviation .3125 sides.

    Parameters
    ----------
    found : Found
        Of all nodes.
    view : int
        The annotated view.
    centre : float64 ndarray of shape (2,)
        The part there, in input pixels.
    count : int
        Nodes, at most; those that found nothing there are never taken. Ties go to the earlier node.
    side : float
        Side of the input.
    weights : Weights
        How much it counts that a node lies near the part.
    """
    position = found.position[view].astype(np.float64)
    score = RESPONSE * found.response[view].astype(np.float64)
    score += USUAL * log_gaussian(position - found.usual, SPREAD * side)
    score += weights.near * log_gaussian(position - centre, SPREAD * side)
    order = np.argsort(np.where(found.fired[view], -score, np.inf), kind="stable")
    nodes = order[: min(count, int(found.fired[view].sum()))]
    return Template(nodes, centre - position[nodes], centre, weights)


def locate(
    template: Template, found: Found, views: NDArray[np.int64], extent: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the part of a template on views by the votes of its nodes.

    Parameters
    ----------
    template : Template
        From `retrieve`.
    found : Found
        Of all nodes.
    views : int64 ndarray of shape (n,)
        Views to look at.
    extent : (int, int)
        Height and width of the input.

    Returns
    -------
    (float64 ndarray of shape (n, 2), float64 ndarray of shape (n,))
        The part, where no node votes its place on the annotated view; and the template's score, the mean over its nodes of
        1.5 response + agree log G(vote - part), G of half the deviation, and of `NONE` where a node found nothing; with
        `squared` weights the logarithm of the mean weight.
    """
    rows = np.ix_(views, template.nodes)
    votes = found.position[rows] + template.displacement
    fired, side = found.fired[rows], float(max(extent))
    squared = template.weights.squared
    centre, _ = count_votes(votes, fired, found.weight[rows] if squared else np.ones(len(template.nodes)), extent)
    centre = np.where(np.isnan(centre), template.centre, centre)
    if not len(template.nodes):
        return centre, np.full(len(views), -math.inf)
    if squared:
        return centre, np.log(found.weight[rows].mean(axis=1, dtype=np.float64) + _SILENT)
    agreement = template.weights.agree * log_gaussian(votes - centre[:, None], SPREAD * side / 2)
    each = np.where(fired, RESPONSE * found.response[rows] + agreement, NONE)
    return centre, each.mean(axis=1)


def best_template(
    centres: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return where the template of highest score, the first of equal ones, puts the part on each of n views.

    Parameters
    ----------
    centres : float64 ndarray of shape (T, n, 2)
        Of every template.
    scores : float64 ndarray of shape (T, n)
        Of every template.

    Returns
    -------
    (float64 ndarray of shape (n, 2), int64 ndarray of shape (n,))
        Places and numbers of the templates.
    """
    chosen = scores.argmax(axis=0)
    return centres[chosen, np.arange(len(chosen))], np.asarray(chosen, np.int64)


def mix_templates(
    centres: NDArray[np.float64], scores: NDArray[np.float64], sharpness: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of the places of all templates on n views, weighted by exp(sharpness * score).

    Parameters
    ----------
    centres : float64 ndarray of shape (T, n, 2)
        Of every template.
    scores : float64 ndarray of shape (T, n)
        Of every template; one of -inf has no weight, unless all are.
    sharpness : float
        0: all templates count alike; towards infinity only the best does.

    Returns
    -------
    (float64 ndarray of shape (n, 2), float64 ndarray of shape (T, n))
        Places, and the weights, which sum to 1 over the templates.
    """
    best = scores.max(axis=0)
    apart = np.where(np.isfinite(best), scores - np.where(np.isfinite(best), best, 0.0), 0.0)
    weights = np.exp(sharpness * apart)
    weights /= weights.sum(axis=0)
    return np.asarray((weights[..., None] * centres).sum(axis=0), np.float64), weights


__all__ = [
    "LOCAL",
    "RELEASED",
    "SQUARED",
    "Found",
    "Template",
    "Weights",
    "best_template",
    "locate",
    "log_gaussian",
    "mix_templates",
    "retrieve",
]
