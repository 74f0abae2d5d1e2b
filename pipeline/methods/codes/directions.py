"""Codes moved along axes and random directions: where they start, how far they go, and what is decoded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from filterscope.operators.codes.effects import random_directions
from filterscope.operators.codes.morphometry import FACTORS, morphometry
from filterscope.pipeline.methods.codes.encode import read_coded
from filterscope.pipeline.methods.codes.options import CodesOptions
from filterscope.pipeline.methods.codes.subjects import Subject, random_of
from filterscope.pipeline.run.plan import Plan, PlannedModel

if TYPE_CHECKING:
    from filterscope.pipeline.methods.codes.classifier import Classifier
    from filterscope.pipeline.models.network import Network


@dataclass(frozen=True)
class Bases:
    """Where codes of one group start, and how far a step of 1 goes.

    Attributes
    ----------
    codes : float32 ndarray of shape (g, dims)
        Of the images that the group stands for most, or drawn from the latents.
    views : int64 ndarray of shape (g,)
        The views that were encoded; -1 where codes were drawn.
    reach : float64 ndarray of shape (dims,)
        Length of a step of 1 along each code; 0 where none is taken.
    """

    codes: np.ndarray
    views: np.ndarray
    reach: np.ndarray


def bases_of(plan: Plan, model: PlannedModel, subject: Subject, group: int) -> Bases:
    """Return the bases of a group: of the encoded images on which it is the longest, at most `--codes.bases`."""
    assert model.coding is not None
    asked, latents = plan.of(CodesOptions), model.coding.latents
    reach = np.array([_reach(ends) for ends in latents])
    if not subject.encodes:
        random = random_of(plan, "latents", model.name, group)
        return Bases(draw_codes(latents, asked.bases, random), np.full(asked.bases, -1), reach)
    stored = read_coded(plan, model, "views", "codes-0")
    codes, views = stored["codes-0"], stored["views"]
    longest = np.square(codes.astype(np.float64)).sum(axis=2).argmax(axis=1)
    own = np.flatnonzero(longest == group)
    order = random_of(plan, "bases", group).permutation(plan.view_count)
    chosen = np.sort(own[np.argsort(order[views[own]], kind="stable")[: asked.bases]])
    if not latents:
        spread = codes[own, group].std(axis=0, dtype=np.float64) if len(own) else np.zeros(subject.dims)
        reach = spread
    return Bases(codes[chosen, group], views[chosen], reach)


def _reach(ends: tuple[float, ...]) -> float:
    return {0: 1.0, 1: 0.0}[len(ends)] if len(ends) < 2 else (ends[1] - ends[0]) / 2


def draw_codes(latents: tuple[tuple[float, ...], ...], count: int, random: np.random.Generator) -> np.ndarray:
    """Draw codes from what they are drawn from, as `Coding` states it: float32 of shape (count, dims)."""
    codes, at = np.zeros((count, len(latents)), np.float32), 0
    while at < len(latents):
        ends, width = latents[at], 1
        if len(ends) == 0:
            codes[:, at] = random.standard_normal(count)
        elif len(ends) == 2:
            codes[:, at] = random.uniform(*ends, count)
        else:
            width = sum(other == ends for other in latents)
            codes[np.arange(count), at + random.integers(width, size=count)] = 1
        at += width
    return codes


def directions_of(plan: Plan, model: PlannedModel, subject: Subject, group: int, reach: np.ndarray) -> np.ndarray:
    """Return the codes of a group as directions, then random ones: float64 of shape (dims + random, dims).

    Each is a unit vector times the reach of its codes; random ones are spread over the codes that have one.
    """
    count, free = plan.of(CodesOptions).directions, reach > 0
    spread = np.zeros((count, subject.dims))
    if free.any():
        spread[:, free] = random_directions(count, int(free.sum()), random_of(plan, "directions", model.name, group))
    return np.asarray(np.concatenate([np.eye(subject.dims), spread]) * reach)


def steps_of(plan: Plan) -> np.ndarray:
    """Return the steps, from -1 to 1."""
    return np.linspace(-1, 1, plan.of(CodesOptions).steps)


@dataclass(frozen=True)
class Moved:
    """What D directions make of g bases in S steps.

    Attributes
    ----------
    images : float32 ndarray of shape (D, g, S, height, width)
        Grey values from 0 to 1.
    shapes : float64 ndarray of shape (D, g, S, M)
        What is measured in them.
    kept : float64 ndarray of shape (D,)
        Share of images that an independent classifier puts into the class of their base; NaN without one.
    """

    images: np.ndarray
    shapes: np.ndarray
    kept: np.ndarray


def moved(
    network: "Network",
    classifier: "Classifier | None",
    bases: Bases,
    group: int,
    directions: np.ndarray,
    steps: np.ndarray,
) -> Moved:
    """Decode every base at every step along every direction, a direction at a time."""
    images, shapes, kept = [], [], []
    base = classifier(network.decode(bases.codes, group)) if classifier else None
    for direction in directions:
        codes = bases.codes[:, None] + (steps[:, None] * direction)[None]
        shown = network.decode(codes.reshape(-1, codes.shape[2]).astype(np.float32), group)
        images.append(shown)
        shapes.append(morphometry(shown))
        if classifier is not None and base is not None:
            kept.append(float((classifier(shown) == np.repeat(base, len(steps))).mean()))
    size = len(directions), len(bases.codes), len(steps)
    return Moved(
        np.stack(images).reshape(*size, *images[0].shape[1:]),
        np.stack(shapes).reshape(*size, len(FACTORS)),
        np.array(kept) if classifier else np.full(len(directions), np.nan),
    )


__all__ = ["Bases", "Moved", "bases_of", "directions_of", "draw_codes", "moved", "steps_of"]
