"""Where in a tensor the positions of a map lie, and what they see: the value that is followed through a network."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod

from filterscope.pipeline.models.geometry.span import NoFieldError, Span, hull

Shape = Sequence[int]


@dataclass(frozen=True)
class Positions:
    """The rows and columns of a map inside a tensor of any shape with batch size 1.

    Attributes
    ----------
    dims : pair of int or None
        Dimension that holds the rows, and the columns; one and the same where they are flattened, rows first. None
        where every value depends on the whole axis.
    spans : pair of Span or None
        What the rows and the columns see; None as in `dims`.
    through_global : bool
        Something that depends on a whole axis entered as well.
    """

    dims: tuple[int | None, int | None]
    spans: tuple[Span | None, Span | None]
    through_global: bool = False

    @property
    def flat(self) -> bool:
        """Whether rows and columns share one dimension."""
        return self.dims[0] is not None and self.dims[0] == self.dims[1]

    def moved(self, place: Callable[[int], int | None]) -> "Positions":
        """Give every dimension its new number; None: the values of the whole axis were mixed."""
        dims = tuple(None if dim is None else place(dim) for dim in self.dims)
        return self._placed(dims, self.spans)

    def changed(self, change: Callable[[int, Span], Span | None]) -> "Positions":
        """Give every axis (its dimension and span) its new span; None: the whole axis was mixed."""
        spans = tuple(
            None if dim is None or span is None else change(dim, span)
            for dim, span in zip(self.dims, self.spans, strict=True)
        )
        return self._placed(self.dims, spans)

    def globally(self, is_global: bool = True) -> "Positions":
        """Add a path that depends on a whole axis."""
        return Positions(self.dims, self.spans, self.through_global or is_global)

    def _placed(self, dims: Sequence[int | None], spans: Sequence[Span | None]) -> "Positions":
        (row, rows), (column, columns) = (
            (None, None) if dim is None or span is None else (dim, span) for dim, span in zip(dims, spans, strict=True)
        )
        return Positions((row, column), (rows, columns), self.through_global or row is None or column is None)


#: Depends on the input, but has no positions.
GLOBAL = Positions((None, None), (None, None), True)


def merged(operands: Iterable[tuple[Positions, Shape]], shape: Shape) -> Positions:
    """Merge operands that are broadcast to `shape`.

    An operand that is the same along an axis is a global path of it.
    """
    found: tuple[dict[int, list[Span]], ...] = ({}, {})
    through_global = False
    for positions, own in operands:
        through_global |= positions.through_global
        for axis, (dim, span) in enumerate(zip(positions.dims, positions.spans, strict=True)):
            place = None if dim is None else dim + len(shape) - len(own)
            if place is None or dim is None or span is None or own[dim] != shape[place]:
                through_global = True
            else:
                found[axis].setdefault(place, []).append(span)
    (row, rows), (column, columns) = (_agreed(places) for places in found)
    return Positions((row, column), (rows, columns), through_global)


def _agreed(places: dict[int, list[Span]]) -> tuple[int | None, Span | None]:
    if not places:
        return None, None
    if len(places) > 1:
        raise NoFieldError("maps with their axes in different order meet")
    dim, spans = next(iter(places.items()))
    return dim, hull(spans)


def reshaped(positions: Positions, old: Shape, new: Shape) -> Positions:
    """Find the axes of a map in a tensor after a reshape.

    Raises
    ------
    NoFieldError
        If positions are mixed with other dimensions.
    """
    if positions.flat:
        return _unflattened(positions, old, new)
    places = [_place(dim, span, old, new) for dim, span in zip(positions.dims, positions.spans, strict=True)]
    if all(place is not None for place in places):
        (row, rows), (column, columns) = (place for place in places if place is not None)
        through_global = positions.through_global or row is None or column is None
        return Positions((row, column), (rows, columns), through_global)
    return _flattened(positions, old, new)


def _place(dim: int | None, span: Span | None, old: Shape, new: Shape) -> tuple[int | None, Span | None] | None:
    """Return the new dimension and span of one axis, or None where it is not found alone."""
    if dim is None or span is None:
        return None, None
    starts = _starts(new, prod(old[:dim]))
    same = [start for start in starts if new[start] == span.count]
    if same:
        return (dim if dim in same else same[0]), span
    for start in starts:  # rows (or columns) cut into blocks, which go into dimensions of their own
        inner = new[start + 1] if start + 1 < len(new) else 1
        if new[start] * inner == span.count:
            return start, span.window(new[start], kernel=inner, step=inner)
    return None


def _starts(shape: Shape, before: int) -> list[int]:
    """Return the dimensions that have `before` elements in those to their left."""
    return [dim for dim in range(len(shape)) if prod(shape[:dim]) == before]


def _flattened(positions: Positions, old: Shape, new: Shape) -> Positions:
    (row, column), (rows, columns) = positions.dims, positions.spans
    if row is None or column is None or rows is None or columns is None:
        lost = rows or columns
        if lost is not None and lost.count == 1:
            return GLOBAL
        raise NoFieldError("a reshape mixes positions")
    if column == row + 1 and old[row] == rows.count and old[column] == columns.count:
        for start in _starts(new, prod(old[:row])):
            if new[start] == rows.count * columns.count:
                return Positions((start, start), positions.spans, positions.through_global)
    if rows.count == columns.count == 1:
        return GLOBAL
    raise NoFieldError("a reshape mixes positions")


def _unflattened(positions: Positions, old: Shape, new: Shape) -> Positions:
    dim, (rows, columns) = positions.dims[0], positions.spans
    if dim is None or rows is None or columns is None:
        return positions
    for start in _starts(new, prod(old[:dim])):
        if new[start] == rows.count * columns.count:
            return Positions((start, start), positions.spans, positions.through_global)
        if tuple(new[start : start + 2]) == (rows.count, columns.count):
            return Positions((start, start + 1), positions.spans, positions.through_global)
    raise NoFieldError("a reshape mixes positions")
