"""Options of explanatory graphs."""

from typing import Annotated, ClassVar, Literal

from pydantic import StrictFloat, StrictInt

from filterscope.pipeline.run.options import Options, at_most, option


class GraphOptions(Options):
    """How explanatory graphs are learned, and from which crops."""

    method: ClassVar[str] = "graph"

    mode: Literal["paper", "release"] = option("paper", "how explanatory graphs are learned", flat="graph_mode")
    iterations: Annotated[StrictInt, at_most(1000, "an explanatory graph settles within some tens")] = option(
        20, "rounds of learning an explanatory graph", flat="graph_iterations", ge=1
    )
    heldout: StrictFloat = option(
        0.33,
        "share of images that graphs are not learned from and nodes are measured on",
        flat="graph_heldout",
        ge=0,
        lt=1,
    )


__all__ = ["GraphOptions"]
