"""Slow twins, room by room of `operators`: every kernel written again from its formula, one value at a time."""

from tests.naive import (
    activations,
    attributes,
    attribution,
    blind_spots,
    dissection,
    explanatory_graph,
    images,
    influence,
    localization,
    location,
    numerics,
    patterns,
    pointing,
    statistics,
)

__all__ = [
    "activations",
    "attributes",
    "attribution",
    "blind_spots",
    "dissection",
    "explanatory_graph",
    "images",
    "influence",
    "localization",
    "location",
    "numerics",
    "patterns",
    "pointing",
    "statistics",
]
