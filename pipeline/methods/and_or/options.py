"""Options of And-Or graphs."""

from typing import Annotated, ClassVar

from pydantic import StrictInt

from filterscope.pipeline.run.options import Options, at_most, option


class AndOrOptions(Options):
    """Questions to a simulated person; part, shots, draws and layers are options of `localize`."""

    method: ClassVar[str] = "and-or"

    questions: Annotated[StrictInt, at_most(200, "each grows a template anew")] = option(
        0, "questions that a simulated person answers, by each strategy; 0: none", ge=0
    )
    pool: Annotated[StrictInt, at_most(2_000, "all are parsed after each answer")] = option(
        60, "crops that may be asked about, at most, drawn for each seed", ge=1
    )
    seeds: Annotated[StrictInt, at_most(1_000, "each is a whole inquiry")] = option(
        20, "random pools, in which the strategies are compared pair by pair", ge=1
    )


__all__ = ["AndOrOptions"]
