"""Options of biased representations."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, StrictInt, StrictStr

from filterscope.pipeline.methods.bias.tables import expected_rows, region_rows
from filterscope.pipeline.run.options import Options, at_most, option

#: How a region is edited.
EDITS = ("mask", "grey", "blur", "paste")


def _names(value: object) -> object:
    """Accept `a,b` and lists of such."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        return value
    return tuple(dict.fromkeys(part.strip() for item in items for part in item.split(",") if part.strip()))


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError(f"at least one of {', '.join(EDITS)}")
    return value


class BiasOptions(Options):
    """What is expected of attributes, on which views they are compared, and which regions are edited."""

    method: ClassVar[str] = "bias"

    expected: Annotated[tuple[StrictStr, ...], BeforeValidator(expected_rows)] = option(
        (), "CSV file of attribute,other,expected, with +, - or 0: how pairs should be related"
    )
    attributes: Annotated[tuple[StrictStr, ...], BeforeValidator(_names)] = option(
        (), "names of the outputs that are compared; unset: all"
    )
    mask: Literal["top", "share", "none"] = option(
        "top", "elements of the maps that count: those that hold 90 % of the evidence, 2 % of all, or all"
    )
    layer: StrictStr | None = option(
        None, "audited layer of the pictures of patterns; unset: the deepest whose maps are larger than 1 x 1"
    )
    views: Annotated[StrictInt, at_most(100_000_000, "more views than runs have")] | None = option(
        None, "views of each model on which relations are mined, drawn at random; unset: all", ge=1
    )
    control_views: Annotated[StrictInt, at_most(1_000_000, "each is differentiated once more")] = option(
        128, "of these, on which the randomised network is mined too", ge=1
    )
    pictures: Annotated[StrictInt, at_most(1000, "a map is kept for each attribute")] = option(
        6, "of these, whose patterns are drawn", ge=0
    )
    regions: Annotated[tuple[StrictStr, ...], BeforeValidator(region_rows)] = option(
        (),
        "CSV file of region,x0,y0,x1,y1,own: boxes in parts of the view from 0 to 1, or the name alone of a landmark or "
        "concept, and the attributes that are seen there; unset: the 12 landmarks, else parts, else objects on most images",
    )
    edits: Annotated[
        tuple[Literal["mask", "grey", "blur", "paste"], ...], BeforeValidator(_names), AfterValidator(_some)
    ] = option(("mask", "paste"), f"how regions are edited: {', '.join(EDITS)}")
    edit_views: Annotated[StrictInt, at_most(1_000_000, "each region of each is edited")] = option(
        64, "views of each attribute whose regions are edited; 0: none", ge=0
    )


__all__ = ["EDITS", "BiasOptions"]
