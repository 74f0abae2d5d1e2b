"""What pieces of work that travel together compute once, such as the images that several networks are shown."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Value = TypeVar("Value")

#: What the pieces at work share; None where a piece shares with no other.
_SHARED: ContextVar[dict[Hashable, Any] | None] = ContextVar("shared", default=None)


@contextmanager
def sharing(values: dict[Hashable, Any] | None) -> Iterator[None]:
    """Let what is computed within find what was kept in `values`, and keep more there; nothing is shared with None."""
    token = _SHARED.set(values)
    try:
        yield
    finally:
        _SHARED.reset(token)


def shared(key: Hashable, make: Callable[[], Value], keep: Callable[[Value], bool] = lambda value: True) -> Value:
    """Return what a piece that shares with this one made of a key, else make it, and keep it if it is to be kept."""
    values = _SHARED.get()
    if values is None:
        return make()
    if key in values:
        return values[key]
    value = make()
    if keep(value):
        values[key] = value
    return value


__all__ = ["shared", "sharing"]
