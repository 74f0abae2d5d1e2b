"""Data whose truth is known: networks whose filters are set by hand, and what they must find.

Recorded runs name the networks as `factory:tests.planted:NAME`.
"""

from tests.planted.images import spoil, write_colours, write_dataset, write_parts
from tests.planted.modes import modes, write_modes
from tests.planted.networks import (
    PLANTED,
    SIZE,
    averaging,
    binary,
    classifier,
    colours,
    entry,
    filters,
    network,
    not_a_number,
    partly_small,
    partly_tiny,
    small,
    smooth,
    tiny,
    too_large,
    two_layers,
    unanchored,
    unheard,
)
from tests.planted.shapes import write_shapes

__all__ = [
    "PLANTED",
    "SIZE",
    "averaging",
    "binary",
    "classifier",
    "colours",
    "entry",
    "filters",
    "modes",
    "network",
    "not_a_number",
    "partly_small",
    "partly_tiny",
    "small",
    "smooth",
    "spoil",
    "tiny",
    "too_large",
    "two_layers",
    "unanchored",
    "unheard",
    "write_colours",
    "write_dataset",
    "write_modes",
    "write_parts",
    "write_shapes",
]
