"""All methods, a line each; the order is that in which stages run where nothing else decides."""

from collections.abc import Iterable

from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods import (
    anchorings,
    and_or,
    attribution,
    bias,
    blind_spots,
    codes,
    decision_tree,
    dissection,
    effective_field,
    gradients,
    graph,
    growth,
    influence,
    inversion,
    localize,
    location,
    outputs,
    parses,
    parts,
    pattern_positions,
    patterns,
    receptive_field,
    rules,
    saliency,
    semantics,
    shift,
    significance,
    stability,
    synthesis,
    unit_attribute,
    up_convolution,
    visualization,
    vulnerable,
)
from filterscope.pipeline.methods.method import Method

METHODS: tuple[Method, ...] = (
    dissection.METHOD,
    significance.METHOD,
    growth.METHOD,
    parts.METHOD,
    anchorings.METHOD,
    stability.METHOD,
    receptive_field.METHOD,
    effective_field.METHOD,
    location.METHOD,
    shift.METHOD,
    patterns.METHOD,
    graph.METHOD,
    pattern_positions.METHOD,
    localize.METHOD,
    and_or.METHOD,
    parses.METHOD,
    outputs.METHOD,
    gradients.METHOD,
    attribution.METHOD,
    decision_tree.METHOD,
    unit_attribute.METHOD,
    semantics.METHOD,
    bias.METHOD,
    rules.METHOD,
    blind_spots.METHOD,
    influence.METHOD,
    vulnerable.METHOD,
    codes.METHOD,
    visualization.METHOD,
    saliency.METHOD,
    inversion.METHOD,
    up_convolution.METHOD,
    synthesis.METHOD,
)


def method(name: str) -> Method:
    """Return a method by its name.

    Raises
    ------
    InputError
        If there is none.
    """
    found = {known.name: known for known in METHODS}
    if name not in found:
        hint = did_you_mean(name, found) or f" Methods are: {', '.join(found)}."
        raise InputError(f"--methods {name}: no such method.{hint}")
    return found[name]


def chosen(names: Iterable[str]) -> list[Method]:
    """Return methods by their names, in the order of the registry."""
    asked = {method(name).name for name in names}
    return [known for known in METHODS if known.name in asked]


def names() -> list[str]:
    """Return the names of all methods."""
    return [known.name for known in METHODS]


def defaults() -> tuple[str, ...]:
    """Return the methods of an audit that names none."""
    return tuple(known.name for known in METHODS if known.default)


__all__ = ["METHODS", "chosen", "defaults", "method", "names"]
