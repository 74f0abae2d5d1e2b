"""Options of localising a part."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.run.options import Options, at_most, option

#: Shares of the nodes that are tried, most nodes of a template, and sets of annotated images.
SHARES, MOST, DRAWS, SHOTS = (0.01, 0.02, 0.05, 0.1), 500, 20, 3


def _numbers(value: object) -> object:
    """Accept `a,b`, a number and lists of numbers."""
    if isinstance(value, str):
        try:
            value = [float(part) for part in value.split(",")]
        except ValueError:
            raise ValueError("numbers separated by commas") from None
    value = [value] if isinstance(value, (int, float)) else value
    if isinstance(value, (list, tuple)) and not value:
        raise ValueError("at least one share")
    return tuple(value) if isinstance(value, list) else value


def _names(value: object) -> object:
    """Accept `a,b` and lists of such."""
    if value is None or not isinstance(value, (str, list, tuple)):
        return value
    items = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(item, str) for item in items):
        return tuple(items)
    return tuple(dict.fromkeys(part.strip() for item in items for part in item.split(",") if part.strip())) or None


class LocalizeOptions(Options):
    """Which part is looked for, and from how many annotated images."""

    method: ClassVar[str] = "localize"

    part: StrictStr | None = option(None, "landmark to find, such as head")
    shots: Annotated[StrictInt, at_most(1_000_000, "more images than data sets have")] = option(
        SHOTS, "annotated images, drawn among those that the graph was learned from", ge=1
    )
    shares: Annotated[tuple[Annotated[StrictFloat, Field(gt=0, le=1)], ...], BeforeValidator(_numbers)] = option(
        SHARES, "shares of the nodes that are retrieved for a template"
    )
    most: Annotated[StrictInt, at_most(1_000_000, "more nodes than graphs have")] = option(
        MOST, "nodes of a template, at most", ge=1
    )
    draws: Annotated[StrictInt, at_most(10_000, "each is a whole search")] = option(
        DRAWS, "random sets of annotated images", ge=1
    )
    category: StrictStr | None = option(None, "category of the objects; unset: every one whose crops show the part")
    model: StrictStr | None = option(None, "model whose graphs are used; unset: every one of the run")
    layers: Annotated[tuple[StrictStr, ...] | None, BeforeValidator(_names)] = option(
        None, "layers whose nodes and filters are used; unset: all that have a graph"
    )


__all__ = ["DRAWS", "MOST", "SHARES", "SHOTS", "LocalizeOptions"]
