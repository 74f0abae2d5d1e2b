"""Options of units and attributes."""

from typing import ClassVar

from pydantic import StrictStr

from filterscope.pipeline.run.options import Options, option


class UnitAttributeOptions(Options):
    """Which attributes units are compared with."""

    method: ClassVar[str] = "unit-attribute"

    attributes: StrictStr | None = option(
        None, "attributes to compare units with, separated by commas; unset: all of the data set"
    )


__all__ = ["UnitAttributeOptions"]
