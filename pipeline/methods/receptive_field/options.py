"""Options of empirical receptive fields."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, StrictInt, StrictStr

from filterscope.pipeline.run.options import Options, at_most, option
from filterscope.pipeline.run.selection import canonical


def _units(value: object) -> object:
    """Accept `3,17,40-47`, whole numbers and lists of such."""
    items = value if isinstance(value, (list, tuple)) else [value]
    if value is None or not all(isinstance(item, (str, int)) and not isinstance(item, bool) for item in items):
        return value
    return canonical(",".join(map(str, items)))


class ReceptiveFieldOptions(Options):
    """Which units are occluded, on how many images, by what."""

    method: ClassVar[str] = "receptive-field"

    occluder: Annotated[StrictInt, at_most(8192, "an occluder has the size of the input at most")] = option(
        33, "rows and columns of the occluders of receptive-field", flat="occluder", ge=1
    )
    step: Annotated[StrictInt, at_most(8192, "a step has the size of the input at most")] = option(
        9, "pixels between neighbouring occluders; the paper has 11 and 3", flat="occluder_step", ge=1
    )
    images: Annotated[StrictInt, at_most(1000, "each is occluded position by position for every unit")] = option(
        10, "strongest images that are occluded for a unit", flat="field_images", ge=1
    )
    sample: Annotated[StrictInt, at_most(1_000_000, "more units than layers have")] = option(
        64, "units of every layer whose receptive field is measured", flat="field_units", ge=1
    )
    units: Annotated[StrictStr | None, BeforeValidator(_units)] = option(
        None,
        "the units of every layer that receptive-field and visualization are about, such as 3,17,40-47, not drawn ones",
        flat="units",
    )


__all__ = ["ReceptiveFieldOptions"]
