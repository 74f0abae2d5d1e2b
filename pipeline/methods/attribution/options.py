"""Options of attribution."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, StrictInt, StrictStr

from filterscope.pipeline.methods.attribution.explainers import known
from filterscope.pipeline.methods.outputs.targets import PREDICTED, TARGETS, Target
from filterscope.pipeline.run.options import Options, at_most, option

#: What of a network is randomised: the last module that has weights, or all.
Which = Literal["top", "all"]


def _names(value: object) -> object:
    """Accept `a,b` and lists of such."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        return value
    return tuple(dict.fromkeys(part.strip() for item in items for part in item.split(",") if part.strip()))


_Names = Annotated[tuple[StrictStr, ...], BeforeValidator(_names)]


class AttributionOptions(Options):
    """How scores are explained, which, and what maps are compared with."""

    method: ClassVar[str] = "attribution"

    methods: Annotated[_Names, AfterValidator(known)] = option(
        ("grad_cam",), "ways to explain a score, such as grad_cam,occlusion"
    )
    target: Target = option(PREDICTED, f"class whose score is explained: {TARGETS}")
    regions: _Names = option(
        (),
        "landmarks or concepts that maps are compared with, such as head; unset: all landmarks, else parts, else objects",
    )
    layer: StrictStr | None = option(
        None, "audited layer of the methods that explain by one; unset: the deepest whose maps are larger than 1 x 1"
    )
    views: Annotated[StrictInt, at_most(100_000_000, "more views than runs have")] | None = option(
        None, "views of each model that are explained, drawn from those of images that have a region; unset: all", ge=1
    )
    control_views: Annotated[StrictInt, at_most(1_000_000, "each is explained three times more")] = option(
        32, "of these, on which randomised networks are explained too", ge=0
    )
    curves: Annotated[StrictInt, at_most(1_000_000, "each takes 228 forward passes per method")] = option(
        0, "of these, on which deletion and insertion are measured", ge=0
    )


__all__ = ["AttributionOptions", "Which"]
