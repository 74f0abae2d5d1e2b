"""Options of blind spots."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.methods.outputs.targets import PREDICTED, TRUE, Target
from filterscope.pipeline.run.options import Options, at_most, option


def _no_truth(value: str) -> str:
    if value == TRUE:
        raise ValueError("predicted, or indices of classes: a view is in a blind spot by what is predicted of it")
    return value


class BlindSpotsOptions(Options):
    """Which views are looked at, and how they are partitioned."""

    method: ClassVar[str] = "blind-spots"

    critical: Annotated[Target, AfterValidator(_no_truth)] = option(
        PREDICTED,
        "class whose predictions are looked at: predicted, every one with 100 confident views, or the most frequent; an index; "
        "or indices, 0-999: views predicted as any of these, together",
        flat="blind-spots.class",
    )
    confidence: StrictFloat = option(
        0.65, "probability of the predicted class above which a view is confident", ge=0, lt=1
    )
    layer: StrictStr | None = option(None, "audited layer whose activations are clustered; unset: the last")
    clusters: Annotated[StrictInt, at_most(5000, "partitions of a few views say little")] | None = option(
        None, "clusters of a class; unset: a twentieth of its views", ge=1
    )
    support: StrictFloat = option(0.05, "share of a class's views that must meet a pattern", gt=0, le=1)
    budget: Annotated[StrictInt, at_most(100_000, "policies are compared question by question")] = option(
        150, "questions over which policies are compared", ge=1
    )


__all__ = ["BlindSpotsOptions"]
