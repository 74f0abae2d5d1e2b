"""Options of up-convolutional inversion."""

from typing import Annotated, ClassVar

from pydantic import StrictInt, StrictStr

from filterscope.pipeline.run.options import Options, at_most, option


class UpConvolutionOptions(Options):
    """Which inverters, and how many images and units."""

    method: ClassVar[str] = "up-convolution"

    inverters: StrictStr | None = option(
        None, "folder of the inverters that `filterscope train inverter` trained on the same data set"
    )
    views: Annotated[StrictInt, at_most(100_000, "all are in memory at once")] = option(
        200, "held-out views that are inverted, drawn by the data set", ge=2
    )
    fitted: Annotated[StrictInt, at_most(20_000, "a linear inverter takes the square of it")] = option(
        500, "training views of the controls: the linear inverter and the nearest image", ge=2
    )
    pictures: Annotated[StrictInt, at_most(1000, "each is kept with six controls")] = option(
        8, "inversions of every layer that are kept as pictures", ge=1
    )
    sample: Annotated[StrictInt, at_most(1_000_000, "more units than layers have")] = option(
        16, "units of every layer whose share is measured, drawn unless --units names them", ge=1
    )


__all__ = ["UpConvolutionOptions"]
