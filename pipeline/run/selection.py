"""Units that a user names, such as ``3,17,40-47``: numbers and ranges, both ends included."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from filterscope.pipeline.engine.errors import InputError

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer

_PART = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")


def canonical(text: str) -> str:
    """Return the one way to name the same units: ascending, neighbours and overlaps joined, ``3,17,40-47``.

    Raises
    ------
    ValueError
        If a part is neither a number nor a range, a range runs backwards, or nothing is named.
    """
    joined: list[list[int]] = []
    for first, last in sorted(_ranges(text)):
        if joined and first <= joined[-1][1] + 1:
            joined[-1][1] = max(last, joined[-1][1])
        else:
            joined.append([first, last])
    if not joined:
        raise ValueError("units such as 3,17,40-47")
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in joined)


def units_in(text: str, layer: "Layer", what: str) -> list[int]:
    """Return the named units of a layer, ascending.

    Raises
    ------
    InputError
        If the layer has no such unit; `what` names its model.
    """
    ranges = sorted(_ranges(text))
    beyond = next((max(first, layer.channels) for first, last in ranges if last >= layer.channels), None)
    if beyond is not None:
        raise InputError(
            f"unit {beyond} is not in layer {layer.name!r} of {what}, whose units are 0 to {layer.channels - 1}; "
            "correct --units, or audit layers with other units in separate runs"
        )
    return sorted({unit for first, last in ranges for unit in range(first, last + 1)})


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _PART.fullmatch(part)
        if not found:
            raise ValueError(f"units such as 3,17,40-47, where {part!r} is neither a number nor a range")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise ValueError(f"units such as 3,17,40-47, where {part!r} runs backwards")
        yield first, last
