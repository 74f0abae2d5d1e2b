"""One place where a network can be tapped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from filterscope.pipeline.models.field import Field

#: The axes of a map as torch's convolutions give it.
NCHW = "nchw"
#: One value a unit.
VECTOR = "nc"
#: Tokens of a transformer.
SEQUENCE = "tokens"


def layout_of(row: int, column: int) -> str:
    """Return the layout of an output of four axes, of which these two are rows and columns and the first is the batch."""
    return "n" + "".join({row: "h", column: "w"}.get(axis, "c") for axis in (1, 2, 3))


@dataclass(frozen=True)
class Layer:
    """A module whose output is a stack of maps (N, C, H, W), or can be taken as one (`pipeline.models.outputs`).

    Attributes
    ----------
    name : str
        Qualified name of the module; ``name#k`` if it is called more than once, ``name@tokens`` if it gives tokens.
    type : str
        Class of the module.
    channels, height, width : int
        Shape of its output for one image.
    output : int
        Number of the output: modules that hand on one unchanged tensor share it. -1 where not known.
    field : Field, optional
        Theoretical receptive fields of its positions; None where not known.
    no_field : str, optional
        Why there are none.
    layout : str
        What the axes of its output are, in their order: n images, c units, h rows, w columns; ``nc`` for one value a unit,
        ``tokens`` for a sequence of tokens.
    values : tuple of float
        What it gives for the images of the probe (`pipeline.models.probe`), by which another forward pass is noticed.
    """

    name: str
    type: str
    channels: int
    height: int
    width: int
    output: int = -1
    field: Field | None = None
    no_field: str | None = None
    layout: str = NCHW
    values: tuple[float, ...] = ()

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> "Layer":
        """Read a layer back from plain values."""
        field = stated.get("field")
        values = tuple(stated.get("values", ()))
        return cls(**{**stated, "field": Field.from_dict(field) if field else None, "values": values})
