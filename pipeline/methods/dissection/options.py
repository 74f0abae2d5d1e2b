"""Options of dissection, which all that speaks of labels shares, and the masks that follow from them."""

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.run.options import AUTO, Options, at_most, option

if TYPE_CHECKING:
    from filterscope.pipeline.run.plan import Plan, PlannedModel

#: The whole table `unit_concept`; up to so many networks by default, and the rows that each unit has with more of them.
FULL = "full"
_FEW_NETWORKS, _TOP = 10, "top:20"


def _rows(value: str) -> str:
    """Accept `AUTO`, `FULL` and ``top:N``."""
    if value in (AUTO, FULL) or re.fullmatch(r"top:[1-9][0-9]{0,5}", value):
        return value
    raise ValueError("auto, full or top:N, such as top:20")


class DissectionOptions(Options):
    """How activations are thresholded and compared with labels."""

    method: ClassVar[str] = "dissection"

    quantile: StrictFloat = option(
        0.005, "probability of an activation above the threshold", flat="quantile", gt=0, lt=1
    )
    anchoring: Literal["resize", "receptive_field"] = option(
        "resize", "where map positions lie in the input", flat="anchoring"
    )
    mask_mode: Literal["upsample", "survey"] = option(
        "upsample",
        "how masks of units are made: upsample, then threshold; or survey: the union of the valid cells' receptive fields",
        flat="mask_mode",
    )
    mask_size: (
        Annotated[
            StrictInt,
            at_most(2048, "the counts of a unit take 16 MiB there, and more pixels than the input has tell nothing"),
        ]
        | None
    ) = option(None, "rows and columns of masks; unset: half the input", flat="mask_size", ge=1)
    min_images: StrictInt = option(10, "images a concept must be in to label a unit", flat="min_images", ge=1)
    min_groups: StrictInt = option(
        10,
        "groups of images a concept must be in to label a unit, where the data set states groups",
        flat="min_groups",
        ge=1,
    )
    unit_image: Literal["active", "top", "off"] = option(
        "active", "which rows the table unit_image keeps", flat="unit_image"
    )
    unit_concept: Annotated[StrictStr, AfterValidator(_rows)] = option(
        AUTO,
        "rows of the table unit_concept: full, or top:20, the 20 concepts of highest IoU of each unit; auto: full for up to "
        "10 networks, top:20 for more",
        flat="unit_concept",
    )
    top_images: Annotated[StrictInt, at_most(1000, "the maps of all of them are kept for every unit")] = option(
        15, "images of largest maximum kept for every unit", flat="top_images", ge=1
    )


def kept_concepts(plan: "Plan") -> int | None:
    """Return how many concepts of each unit the table `unit_concept` keeps; None where it keeps all."""
    kept = plan.of(DissectionOptions).unit_concept
    return int(kept.removeprefix("top:")) if kept.startswith("top:") else None


def settle_concepts(plan: "Plan", before: "Plan | None") -> "Plan":
    """Return the plan with rows for ``--unit-concept auto``: those of the run before, else by the number of networks."""
    if plan.of(DissectionOptions).unit_concept != AUTO:
        return plan
    kept = kept_concepts(before) if before else None
    many = before is None and len(plan.models) > _FEW_NETWORKS
    return plan.with_options(unit_concept=_TOP if many else FULL if kept is None else f"top:{kept}")


def mask_size(plan: "Plan", model: "PlannedModel") -> tuple[int, int]:
    """Return rows and columns of the masks for a model: half its input unless set."""
    size = plan.of(DissectionOptions).mask_size
    if size:
        return size, size
    height, width = model.transform.input_size
    return max(height // 2, 1), max(width // 2, 1)


def mask_key(plan: "Plan", model: "PlannedModel") -> str:
    """Return the name of the masks that a model is compared with, such as ``squash-112``."""
    rows, columns = mask_size(plan, model)
    size = str(rows) if rows == columns else f"{rows}x{columns}"
    return f"{model.geometry(plan.options.geometry).mask_key}-{size}"


__all__ = ["DissectionOptions", "kept_concepts", "mask_key", "mask_size", "settle_concepts"]
