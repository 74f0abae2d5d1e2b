"""Options of equivariance to shifts."""

from typing import Annotated, ClassVar

from pydantic import StrictInt

from filterscope.pipeline.run.options import Options, at_most, option

#: Pairs of crops under which a unit has no result.
FEWEST = 10


class ShiftOptions(Options):
    """How many views are shifted."""

    method: ClassVar[str] = "shift"

    views: Annotated[StrictInt, at_most(1_000_000, "more views than data sets have")] = option(
        100, "views of each category that are shifted, drawn by their numbers; two passes each", ge=2
    )


__all__ = ["FEWEST", "ShiftOptions"]
