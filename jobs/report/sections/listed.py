"""Frames with lists of views as strips of thumbnails, each with a ring where it says that something lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from filterscope.jobs.report.sections.cells import About, Column, columns_of
from filterscope.jobs.report.thumbnails import Look, Slots, Thumbnail

#: Views of a row, and rows of a section.
VIEWS, ROWS = 8, 40


@dataclass(frozen=True)
class Pictured:
    """A view of a row: number, image, its thumbnail and where its ring lies in pixels of the thumbnail, if there are any."""

    view: int
    image: int
    thumbnail: Thumbnail | None
    ring: tuple[float, float] | None


@dataclass(frozen=True)
class Strips:
    """Rows of a frame: columns without the views, and the views of each row."""

    columns: list[Column]
    rows: list[list[Pictured]]


def strips(frame: pl.DataFrame, about: About) -> Strips:
    """Lay out a frame whose column `views` holds lists of views, or of structs with view, y and x in input pixels."""
    shown = frame.head(ROWS)
    rows = [[pictured(view, row, about) for view in (row["views"] or [])[:VIEWS]] for row in shown.to_dicts()]
    return Strips(columns_of(shown, about), rows)


def pictured(listed: Any, row: Mapping[str, Any], about: About) -> Pictured:
    """Return a view of a row, which is a number or a struct with view and, for a ring, y and x in input pixels."""
    known = listed if isinstance(listed, Mapping) else {"view": listed}
    view = int(known["view"])
    name = row.get("model", about.model)
    if name is None:
        return Pictured(view, -1, None, None)
    model = about.where.plan.model(name)
    look = Look.of(about.where.plan, model)
    slots: Slots = about.where.slots(look)
    slot = int(slots.slot[view]) if view < len(slots.slot) else -1
    if slot < 0:
        return Pictured(view, -1, None, None)
    height, width = model.transform.input_size
    x, y = known.get("x"), known.get("y")
    ring = None if x is None or y is None else ((x + 0.5) * look.width / width, (y + 0.5) * look.height / height)
    return Pictured(view, int(about.where.plan.views.image[view]), Thumbnail.at(slot, look), ring)


__all__ = ["ROWS", "VIEWS", "Pictured", "Strips", "pictured", "strips"]
