"""Frames with lists of views as strips of thumbnails, each with a ring where it says that something lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from filterscope.jobs.report.sections.cells import About, Column, columns_of, heading
from filterscope.jobs.report.thumbnails import Look, Slots, Thumbnail

#: Views of a row, of a row of a grid, and rows of a section.
VIEWS, GRID, ROWS = 8, 48, 40


@dataclass(frozen=True)
class Pictured:
    """A view of a row: number, image, its thumbnail and where its ring lies in pixels of the thumbnail, if there are any.

    `says` stands below it; empty for nothing. `marks` are kind, y and x of a dot and of where a line leads from it.
    """

    view: int
    image: int
    thumbnail: Thumbnail | None
    ring: tuple[float, float] | None
    says: str = ""
    marks: tuple[tuple[int, float, float, float, float], ...] = ()


@dataclass(frozen=True)
class Strips:
    """Rows of a frame: columns without the views, and the views of each row."""

    columns: list[Column]
    rows: list[list[Pictured]]


def strips(frame: pl.DataFrame, about: About, bars: Sequence[str] = (), most: int = VIEWS) -> Strips:
    """Lay out a frame whose column `views` holds lists of views, or of structs: view, y and x in input pixels, says, marks.

    Columns of `bars` hold shares, from 0 to 1, that are drawn as bars too; `most` views of a row are shown.
    """
    shown = frame.head(ROWS)
    rows = [[pictured(view, row, about) for view in (row["views"] or [])[:most]] for row in shown.to_dicts()]
    barred = {heading(name): shown[name] for name in bars}
    columns = [
        replace(
            column,
            cells=[replace(cell, bar=share) for cell, share in zip(column.cells, barred[column.name], strict=True)],
        )
        if column.name in barred
        else column
        for column in columns_of(shown, about)
    ]
    return Strips(columns, rows)


def pictured(listed: Any, row: Mapping[str, Any], about: About) -> Pictured:
    """Return a view of a row, which is a number or a struct with view and, for a ring, y and x in input pixels."""
    known = listed if isinstance(listed, Mapping) else {"view": listed}
    view, says = int(known["view"]), str(known.get("says") or "")
    name = row.get("model", about.model)
    if name is None:
        return Pictured(view, -1, None, None, says)
    model = about.where.plan.model(name)
    look = Look.of(about.where.plan, model)
    slots: Slots = about.where.slots(look)
    slot = int(slots.slot[view]) if view < len(slots.slot) else -1
    if slot < 0:
        return Pictured(view, -1, None, None, says)
    height, width = model.transform.input_size
    x, y = known.get("x"), known.get("y")
    down, right = look.height / height, look.width / width
    ring = None if x is None or y is None else ((x + 0.5) * right, (y + 0.5) * down)
    marks = tuple(
        (
            mark["kind"],
            (mark["x"] + 0.5) * right,
            (mark["y"] + 0.5) * down,
            (mark["to_x"] + 0.5) * right,
            (mark["to_y"] + 0.5) * down,
        )
        for mark in known.get("marks") or ()
    )
    return Pictured(view, int(about.where.plan.views.image[view]), Thumbnail.at(slot, look), ring, says, marks)


__all__ = ["GRID", "ROWS", "VIEWS", "Pictured", "Strips", "pictured", "strips"]
