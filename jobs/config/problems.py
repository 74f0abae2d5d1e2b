"""What pydantic found wrong with an option, in plain words."""

from collections.abc import Mapping
from typing import Any

_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "path_type": "a path",
    "tuple_type": "a list",
}


def problem(detail: Any, names: Mapping[Any, str] | None = None) -> str:
    """Say in plain words what pydantic found: key, value received, value expected.

    Parameters
    ----------
    detail : mapping
        One of `ValidationError.errors()`.
    names : mapping, optional
        How the user wrote a key, such as ``[graph] heldout`` for ``graph_heldout``, where that differs.
    """
    first, *rest = detail["loc"] or ("",)
    key = ".".join(map(str, [(names or {}).get(first, first), *rest]))
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if not key:
        return str(message)
    try:
        received = repr(detail["input"])
    except ValueError:  # Python writes no number of more than 4300 digits
        received = "a number of thousands of digits"
    received = received if len(received) <= 80 else f"{received[:77]}..."
    return f"{key}: received {received}; expected {_EXPECTED.get(detail['type'], message)}"


__all__ = ["problem"]
