"""Whose codes a run audits: those of an encoder or decoder, else the pooled units of each audited layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.methods.codes.options import CodesOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Layer that the codes of an encoder or decoder stand under.
OWN = "codes"
#: Directions that are decoded in a piece of work.
DIRECTIONS = 32


@dataclass(frozen=True)
class Subject:
    """Codes in groups of one size.

    Attributes
    ----------
    layer : str
        The audited layer, or `OWN`.
    groups, dims : int
        Groups, and codes in each.
    own : bool
        Whether the network encodes or decodes itself.
    encodes, decodes : bool
        Whether there are codes of images, and images of codes.
    """

    layer: str
    groups: int
    dims: int
    own: bool = False
    encodes: bool = True
    decodes: bool = False


def subjects(model: PlannedModel) -> list[Subject]:
    """Return whose codes are audited of a model."""
    coding = model.coding
    if coding is None:
        return [Subject(layer.name, 1, layer.channels) for layer in model.layers]
    return [Subject(OWN, coding.groups, coding.dims, True, coding.encodes, coding.decodes)]


def measures_shapes(plan: Plan, model: PlannedModel) -> bool:
    """Tell whether shapes are factors of a model's images."""
    return shapes_asked(
        plan.of(CodesOptions).factors, model.transform.channels, bool(model.coding and model.coding.decodes)
    )


def shapes_asked(factors: str, channels: int, decodes: bool) -> bool:
    """Tell whether shapes are factors, from the option, the channels of the input and whether the network decodes."""
    return factors in ("morphometry", "both") or (factors == "auto" and (decodes or channels == 1))


def random_of(plan: Plan, *purpose: object) -> np.random.Generator:
    """Return what draws for a purpose: the same whatever the blocks and workers."""
    return np.random.Generator(np.random.PCG64(seed_of("codes", plan.data_identity, *purpose)))


def drawn_views(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Return the views that are encoded, and among them those that are transformed: int64, sorted."""
    asked = plan.of(CodesOptions)
    order = random_of(plan, "views").permutation(plan.view_count)[: asked.images]
    return np.sort(order), np.sort(order[: asked.moved])


def groups_of(subject: Subject) -> Sequence[tuple[int, str]]:
    """Return number and block of each group."""
    return [(group, f"group-{group:04d}") for group in range(subject.groups)]


def direction_blocks(plan: Plan, subject: Subject) -> Sequence[tuple[int, int, str]]:
    """Return start, stop and name of the blocks of directions: the codes of a group first, then random directions."""
    total = subject.dims + plan.of(CodesOptions).directions
    starts = range(0, total, DIRECTIONS) if subject.decodes else ()
    return [(start, min(start + DIRECTIONS, total), f"directions-{start:06d}") for start in starts]


__all__ = [
    "DIRECTIONS",
    "OWN",
    "Subject",
    "direction_blocks",
    "drawn_views",
    "groups_of",
    "measures_shapes",
    "random_of",
    "shapes_asked",
    "subjects",
]
