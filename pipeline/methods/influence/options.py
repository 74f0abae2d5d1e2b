"""Options of influence."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.run.lists import different, whole
from filterscope.pipeline.run.options import Options, at_most, option


class InfluenceOptions(Options):
    """The head that is trained, how its Hessian is inverted, and how that is checked."""

    method: ClassVar[str] = "influence"

    test: StrictFloat = option(
        0.25, "share of the images, or of their groups, of each class that test the head", gt=0, le=0.9
    )
    train: Annotated[StrictInt, at_most(1_000_000, "the pooled maps of all of them are in memory")] = option(
        10_000, "training views, and test views, at most; drawn at random", ge=2
    )
    tests: Annotated[StrictInt, at_most(100_000_000, "more views than runs have")] | None = option(
        None, "test views whose influential training views are computed, drawn at random; unset: all", ge=1
    )
    l2: StrictFloat = option(0.1, "weight of the penalty |w|^2 / 2 beside the mean loss", ge=1e-6, le=1e6)
    solver: Literal["exact", "cg", "lissa"] | None = option(
        None,
        "how the Hessian is inverted: exact, by conjugate gradients (cg) or by LiSSA; unset: exact up to 5,000 parameters, "
        "else cg",
    )
    damping: StrictFloat = option(
        0.01, "added to the Hessian's diagonal, as a share of its mean eigenvalue", ge=0, le=1e6
    )
    scale: StrictFloat | None = option(
        None,
        "LiSSA's scale, which must exceed the largest eigenvalue of the Hessian; unset: twice that eigenvalue",
        gt=0,
    )
    top: Annotated[StrictInt, at_most(10_000, "rows of each test view")] = option(
        5, "training views of each kind, helpful and harmful, that are kept of each test view", ge=1
    )
    checks: Annotated[StrictInt, at_most(10_000, "each trains the head again")] = option(
        40, "training views that are left out one at a time, to compare influence with what happens", ge=0
    )
    flips: StrictFloat = option(
        0.1, "share of the training labels that are made wrong to rehearse the search for label errors", ge=0, le=0.5
    )
    groups: StrictStr | None = option(
        None,
        "attributes whose values are groups of training views that are left out together, separated by commas; unset: that of "
        "true classes",
    )
    attacked: Annotated[StrictInt, at_most(10_000, "each takes a thousand passes forward and back")] = option(
        0, "test views whose label is attacked through training images, drawn at random; 0: none", ge=0
    )
    perturbed: Annotated[
        tuple[Annotated[StrictInt, Field(ge=1, le=1000)], ...], BeforeValidator(whole), AfterValidator(different)
    ] = option((1, 2, 10), "training views that an attack on a test view changes")
    steps: Annotated[StrictInt, at_most(10_000, "each takes a pass forward and back")] = option(
        100, "steps in which an attack changes a training view", ge=1
    )

    @property
    def group_attributes(self) -> list[str]:
        """The attributes that are named for groups."""
        return list(dict.fromkeys(part.strip() for part in (self.groups or "").split(",") if part.strip()))


__all__ = ["InfluenceOptions"]
