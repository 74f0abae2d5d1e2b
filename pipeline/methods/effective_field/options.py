"""Options of effective receptive fields."""

from typing import Annotated, ClassVar

from pydantic import StrictInt

from filterscope.pipeline.run.options import Options, at_most, option


class EffectiveFieldOptions(Options):
    """On how many images gradients are taken, and for which units strips are drawn; `--units` names units for both."""

    method: ClassVar[str] = "effective-field"

    images: Annotated[StrictInt, at_most(1000, "each takes a pass forward and back for every unit")] = option(
        5, "strongest images of a unit that its gradient is taken on", flat="effective_images", ge=1
    )
    controls: Annotated[StrictInt, at_most(1_000_000, "more units than layers have")] = option(
        16, "units of every layer measured in the network with shuffled weights too", flat="effective_controls", ge=0
    )
    strips: Annotated[StrictInt, at_most(32, "they stand side by side on the page of a unit")] = option(
        6, "drawn images on the page of a unit, with what its active cells see", flat="strip_images", ge=0
    )
    strip_units: Annotated[StrictInt, at_most(1_000_000, "more units than layers have")] = option(
        64, "units of every layer that these are made for, drawn unless --units names them", flat="strip_units", ge=1
    )


__all__ = ["EffectiveFieldOptions"]
