"""Options of the loop."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.run.options import Options, at_most, option


def _pair(value: str) -> str:
    names = [name.strip() for name in value.split(",")]
    if value and (len(names) != 2 or not all(names) or names[0] == names[1]):
        raise ValueError("two attributes with a comma between them, as in Smiling,Black_Hair")
    return ",".join(names) if value else value


class DebugOptions(Options):
    """What is looked for, how images are chosen, how a network is trained on, and what is measured."""

    method: ClassVar[str] = "debug"

    find: Literal["auto", "conflict", "blind-spot", "label-errors"] = option(
        "auto",
        "what to mend: attributes that are tied together, images that are confidently wrong, or wrong labels; auto: the first "
        "of these that the audit looked for",
    )
    pair: Annotated[StrictStr, AfterValidator(_pair)] = option(
        "", "two attributes with a comma between them, instead of the conflict, or else the relation, that ranks first"
    )
    choose: Literal["auto", "conflict", "cluster", "least-confident", "influence", "loss"] = option(
        "auto",
        "how images are chosen: those that contradict the relation, those of the blind spot, those the network is least sure "
        "of, those of most influence, those of largest loss; auto: what fits the problem",
    )
    seeds: Annotated[StrictInt, at_most(1000, "each is a training")] = option(
        3, "trials of each fix and of its control, with seeds from 0", ge=1
    )
    steps: Annotated[StrictInt, at_most(1_000_000, "each is an update")] = option(60, "updates of each trial", ge=1)
    learning_rate: StrictFloat = option(5e-4, "of Adam", gt=0, le=1)
    batch: Annotated[StrictInt, at_most(65_536, "a batch is in memory at once")] = option(
        64, "images of an update, half of them new", ge=2
    )
    measured: StrictFloat = option(
        0.5, "share of the images that were never trained on that measures; the others are the pool", ge=0.05, le=0.95
    )
    omega_views: Annotated[StrictInt, at_most(1_000_000, "each is differentiated twice")] = option(
        200, "of these, on which the relation is mined again", ge=2
    )
    edit_views: Annotated[StrictInt, at_most(1_000_000, "each region of each is edited")] = option(
        64, "of these, whose regions are painted over, where the audit edits regions", ge=0
    )


__all__ = ["DebugOptions"]
