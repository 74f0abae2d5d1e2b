"""Options of parses."""

from typing import ClassVar, Literal

from pydantic import StrictFloat, StrictInt

from filterscope.pipeline.run.options import Options, option


class ParsesOptions(Options):
    """How boxes are parsed."""

    method: ClassVar[str] = "parses"

    cells: StrictInt = option(3, "rows and columns of the grid over a box", ge=2, le=7)
    combine: Literal["mean", "sum"] = option(
        "mean", "how a cut combines its parts: mean by area, or sum as in the paper", flat="parses.and"
    )
    background: bool = option(True, "learn background too: on whole images a random box of each, away from objects")
    heldout: StrictFloat = option(
        0.33, "share of the images of each category that are parsed, not learned from", ge=0.05, le=0.9
    )
    features: StrictInt = option(64, "principal directions of the units that the head sees", ge=1, le=1024)
    steps: StrictInt = option(200, "updates by all boxes, half of them folded", ge=2, le=100_000)
    pictures: StrictInt = option(5, "trees of each category that are drawn", ge=0, le=50)


__all__ = ["ParsesOptions"]
