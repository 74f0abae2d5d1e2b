"""Options of inversion."""

from typing import Annotated, ClassVar

from pydantic import StrictFloat, StrictInt

from filterscope.pipeline.run.options import Options, at_most, option


class InversionOptions(Options):
    """How many views are inverted, and how."""

    method: ClassVar[str] = "inversion"

    views: Annotated[StrictInt, at_most(10_000, "each is inverted at every layer")] = option(
        4, "drawn views that are made anew from every layer", ge=1
    )
    controls: Annotated[StrictInt, at_most(10_000, "each is inverted at every layer")] = option(
        2, "of these, how many are made from the network with shuffled weights too", ge=0
    )
    steps: Annotated[StrictInt, at_most(100_000, "each takes a pass forward and back")] = option(
        200, "updates of an image", ge=1
    )
    smoothness: StrictFloat = option(0.05, "weight of the squared differences of neighbouring pixels", ge=0, le=100)
    range: StrictFloat = option(0.01, "weight of the sixth powers of pixels, which hold them in range", ge=0, le=100)
    step_size: StrictFloat = option(0.05, "step size of Adam", gt=0, le=10)


__all__ = ["InversionOptions"]
