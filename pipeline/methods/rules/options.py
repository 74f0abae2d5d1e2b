"""Options of rules."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, StrictInt, StrictStr

from filterscope.pipeline.run.options import Options, at_most, option
from filterscope.pipeline.run.rule_file import rule_rows


class RulesOptions(Options):
    """Which rules, and how they are imposed."""

    method: ClassVar[str] = "rules"

    file: Annotated[tuple[StrictStr, ...], BeforeValidator(rule_rows)] = option(
        (), 'TOML file of rules, such as [[rule]] with rule = "label:car => concept:wheel"'
    )
    scores: Literal["softmax", "sigmoid"] = option(
        "softmax", "what scores mean: one class of an image, or a label each, which it has or has not"
    )
    strength: float = option(6.0, "strength C with which the posterior imposes rules; 0: not at all", ge=0, le=1000)
    strata: StrictStr | None = option(
        None, "attribute within whose values images are permuted, such as class; unset: all images"
    )
    permutations: Annotated[StrictInt, at_most(100_000, "each takes every grounding once more")] = option(
        199, "permutations of images that say what chance gives", ge=1
    )
    worst: Annotated[StrictInt, at_most(10_000, "a row is kept for each")] = option(
        12, "views of least truth that are kept of each rule", ge=0
    )


__all__ = ["RulesOptions"]
