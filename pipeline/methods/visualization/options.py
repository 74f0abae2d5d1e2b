"""Options of feature visualisation."""

from typing import Annotated, ClassVar, Literal

from pydantic import StrictBool, StrictFloat, StrictInt

from filterscope.pipeline.run.options import Options, at_most, option


class VisualizationOptions(Options):
    """How many pictures are made, and how; which units ``--units`` says."""

    method: ClassVar[str] = "visualization"

    sample: Annotated[StrictInt, at_most(1_000_000, "more units than layers have")] = option(
        64, "units of every layer that pictures are made for, drawn unless --units names them", ge=1
    )
    steps: Annotated[StrictInt, at_most(100_000, "each takes a pass forward and back for every picture")] = option(
        256, "updates of a picture", ge=1
    )
    pictures: Annotated[StrictInt, at_most(64, "those of a unit are in memory at once")] = option(
        1, "pictures of each unit, from different random starts", ge=1
    )
    diversity: StrictFloat = option(
        0.5, "how strongly the pictures of a unit are pushed apart, in shares of its maximum on the data", ge=0, le=100
    )
    objective: Literal["channel", "centre"] = option(
        "channel", "what is raised: channel, the mean of the unit's map, or centre, its middle position"
    )
    step_size: StrictFloat = option(0.05, "step size of Adam", gt=0, le=10)
    moved: StrictBool = option(True, "whether the network sees the picture shifted, scaled and turned at every step")
    seed: Annotated[StrictInt, at_most(2**31 - 1, "seeds have 31 bits")] = option(
        0, "seed of the random starts and of what is done to the pictures", ge=0
    )


__all__ = ["VisualizationOptions"]
