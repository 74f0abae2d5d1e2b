"""Options that hold several values: texts and numbers separated by commas, or lists of them."""

from collections.abc import Sequence


def parts(value: object) -> object:
    """Accept `a,b`, a number and lists of such."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    value = [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    return tuple(value) if isinstance(value, list) else value


def floats(value: object) -> object:
    """Accept numbers: `1,2.5`, 1 and lists of such."""
    items = parts(value)
    if not isinstance(items, tuple):
        return value
    try:
        return tuple(item if isinstance(item, bool) else float(item) for item in items)
    except (TypeError, ValueError):
        raise ValueError("numbers separated by commas, such as 1,2,4,8") from None


def whole(value: object) -> object:
    """Accept whole numbers: `1,3`, 1 and lists of such."""
    items = parts(value)
    if not isinstance(items, tuple):
        return value
    try:
        return tuple(int(item) if isinstance(item, str) else item for item in items)
    except ValueError:
        raise ValueError("whole numbers separated by commas, such as 1,3,5") from None


def different(values: Sequence[object]) -> Sequence[object]:
    """Return each value once, at least one."""
    if not values:
        raise ValueError("one at least")
    return tuple(dict.fromkeys(values))


__all__ = ["different", "floats", "parts", "whole"]
