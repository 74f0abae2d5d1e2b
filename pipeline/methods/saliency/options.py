"""Options of saliency."""

from typing import Annotated, ClassVar

from pydantic import StrictFloat, StrictInt

from filterscope.pipeline.run.options import Options, at_most, option


class SaliencyOptions(Options):
    """How many views and classes are shown, and how images are made for classes."""

    method: ClassVar[str] = "saliency"

    views: Annotated[StrictInt, at_most(10_000, "each has three maps in three networks")] = option(
        8, "drawn views whose class scores are differentiated", ge=1
    )
    classes: Annotated[StrictInt, at_most(10_000, "each takes an image of its own")] = option(
        4, "classes that images are made for, of those of these views, the most frequent first", ge=0
    )
    steps: Annotated[StrictInt, at_most(100_000, "each takes a pass forward and back")] = option(
        100, "updates of an image made for a class", ge=1
    )
    weight: StrictFloat = option(1e-4, "weight of the squared norm of such an image", ge=0, le=1)
    step_size: StrictFloat = option(0.05, "step size of Adam", gt=0, le=10)


__all__ = ["SaliencyOptions"]
