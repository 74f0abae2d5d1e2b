"""Options of explanatory graphs."""

from typing import Annotated, ClassVar, Literal

from pydantic import StrictFloat, StrictInt

from filterscope.operators.explanatory_graph.settings import HALF_WINDOW
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
    window: StrictFloat = option(
        HALF_WINDOW,
        "how far a node may be from where it is expected, as a share of the input's side; .15 as published",
        flat="graph_window",
        gt=0,
        le=1,
    )


__all__ = ["GraphOptions"]
