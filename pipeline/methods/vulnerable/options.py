"""Options of vulnerable points."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.methods.outputs.targets import as_text
from filterscope.pipeline.run.lists import different, floats, parts, whole
from filterscope.pipeline.run.options import Options, at_most, option

ANY = "any"
#: In order of what they cost.
ATTACKS = ("fgsm", "pgd", "lbfgs", "one_pixel")


def _target(value: str) -> str:
    if value == ANY:
        return value
    if not (value.isascii() and value.isdecimal()):
        raise ValueError("any, or the index of a class, such as 207")
    return str(int(value))


class VulnerableOptions(Options):
    """Which attacks on which views."""

    method: ClassVar[str] = "vulnerable"

    attacks: Annotated[
        tuple[Literal["fgsm", "pgd", "lbfgs", "one_pixel"], ...], BeforeValidator(parts), AfterValidator(different)
    ] = option(("fgsm", "pgd", "lbfgs"), "attacks: fgsm, pgd, lbfgs, one_pixel")
    views: Annotated[StrictInt, at_most(100_000, "each is attacked alone")] = option(
        32, "views of each model, drawn at random, that are attacked where the model is right about them", ge=1
    )
    confidence: StrictFloat = option(
        0.5,
        "probability from which a view without a true class counts as one that the model is right about",
        ge=0,
        le=1,
    )
    target: Annotated[StrictStr, BeforeValidator(as_text), AfterValidator(_target)] = option(
        ANY, "class that attacks are after: any, or an index"
    )
    eps: Annotated[
        tuple[Annotated[StrictFloat, Field(gt=0, le=255)], ...], BeforeValidator(floats), AfterValidator(different)
    ] = option((1.0, 2.0, 4.0, 8.0), "largest changes of a value that fgsm and pgd may make, in grey levels of 255")
    pixels: Annotated[
        tuple[Annotated[StrictInt, Field(ge=1, le=1000)], ...], BeforeValidator(whole), AfterValidator(different)
    ] = option((1, 3, 5), "pixels that one_pixel may change")
    population: Annotated[StrictInt, at_most(100_000, "each is an image in memory")] = option(
        400, "candidates that one_pixel holds", ge=4
    )
    generations: Annotated[StrictInt, at_most(100_000, "each takes a pass for every candidate")] = option(
        100, "children of each candidate that one_pixel tries, at most", ge=0
    )
    tries: Annotated[StrictInt, at_most(1000, "each takes up to 80 passes forward and back")] = option(
        20, "weights of the loss that lbfgs tries, at most", ge=1
    )

    pictures: Annotated[StrictInt, at_most(1000, "each is kept under every attack")] = option(
        4, "of the drawn views, those whose attacked images are kept for the gallery of the report", ge=0
    )

    @property
    def index(self) -> int | None:
        """The class that attacks are after, where it is one."""
        return None if self.target == ANY else int(self.target)


__all__ = ["ANY", "ATTACKS", "VulnerableOptions"]
