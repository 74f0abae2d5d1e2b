"""Options of class scores."""

from typing import Annotated, ClassVar

from pydantic import StrictInt, StrictStr

from filterscope.pipeline.run.options import Options, at_most, option

#: The attribute that data sets have by convention.
TRUTH = "class"


class OutputsOptions(Options):
    """What is kept of a view's scores, and where its true class stands."""

    method: ClassVar[str] = "outputs"

    top: Annotated[StrictInt, at_most(100_000, "more classes than classifiers have")] = option(
        5, "classes of highest score that are kept of each view, beside its true class", ge=1
    )
    truth: StrictStr = option(
        TRUTH, "attribute of the data set that holds the true class of an image, by index or name"
    )


__all__ = ["TRUTH", "OutputsOptions"]
