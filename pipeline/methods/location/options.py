"""Options of location instability."""

from typing import ClassVar, Literal

from filterscope.pipeline.run.options import Options, option


class LocationOptions(Options):
    """How location instability is measured."""

    method: ClassVar[str] = "location"

    protocol: Literal["survey", "explanatory-graph", "interpretable-cnn"] = option(
        "survey", "how location chooses images and takes the deviation", flat="location_protocol"
    )


__all__ = ["LocationOptions"]
