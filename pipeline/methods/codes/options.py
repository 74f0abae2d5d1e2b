"""Options of the disentanglement audit."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, StrictInt, StrictStr

from filterscope.pipeline.run.options import Options, at_most, option


def _classifier(value: str) -> str:
    from filterscope.pipeline.models.stated import stated_spec

    stated_spec(value)
    return value


class CodesOptions(Options):
    """What codes are compared with, on how many images and directions."""

    method: ClassVar[str] = "codes"

    factors: Literal["auto", "attributes", "morphometry", "both"] = option(
        "auto",
        "what codes are compared with: attributes of the data set, morphometry (shapes measured in the images); auto: "
        "attributes, and morphometry where the network decodes or takes grey images",
    )
    attributes: StrictStr | None = option(None, "attributes to compare with, separated by commas; unset: all")
    images: Annotated[StrictInt, at_most(100_000, "codes of all are in memory at once")] = option(
        2000, "views that are encoded, drawn at random", ge=2
    )
    bases: Annotated[StrictInt, at_most(10_000, "each is decoded at every step along every direction")] = option(
        48, "images of each group whose codes are moved and decoded", ge=1
    )
    steps: Annotated[StrictInt, at_most(101, "each is an image per base and direction")] = option(
        5, "steps along a code, from -1 to 1", ge=2
    )
    directions: Annotated[StrictInt, at_most(100_000, "each is decoded like a code")] = option(
        200, "random directions that codes are compared with", ge=1
    )
    moved: Annotated[StrictInt, at_most(10_000, "their pixels are in memory at once")] = option(
        256, "views that are rotated, shifted, scaled, sheared and dilated; 0: none", ge=0
    )
    classifier: Annotated[StrictStr, AfterValidator(_classifier)] | None = option(
        None,
        "an independent network that names decoded images, with its settings after semicolons: factory:my.net:lenet@w.pth; "
        "input_size=32; mean=0.13; std=0.31",
    )


__all__ = ["CodesOptions"]
