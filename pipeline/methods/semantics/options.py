"""Options of units against directions that are none."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, StrictInt, StrictStr

from filterscope.pipeline.run.options import Options, at_most, option


def _judge(value: str) -> str:
    from filterscope.pipeline.models.stated import stated_spec

    stated_spec(value)
    return value


class SemanticsOptions(Options):
    """What images of a direction are compared by, and with how many other directions."""

    method: ClassVar[str] = "semantics"

    label: StrictStr = option("class", "attribute of the data set that holds the label of an image")
    top: Annotated[StrictInt, at_most(1000, "they are to be the strongest images")] = option(
        8, "strongest images of a direction, at most one of each group", ge=2
    )
    directions: Annotated[StrictInt, at_most(10_000, "all images are ranked for each")] = option(
        64, "units of a layer that are measured, drawn where it has more, and directions of a draw", ge=1
    )
    draws: Annotated[StrictInt, at_most(10_000, "all images are ranked for each direction of each")] = option(
        39, "how often the directions of each other basis are drawn", ge=1
    )
    judge: Annotated[StrictStr, AfterValidator(_judge)] | None = option(
        None,
        "another network with class scores, whose view of the strongest images tells how coherent they are, with its settings "
        "after semicolons: torchvision:resnet18@w.pth; input_size=224",
    )


__all__ = ["SemanticsOptions"]
