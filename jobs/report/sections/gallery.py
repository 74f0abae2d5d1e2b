"""Changed images side by side: the image, what an attack or an edit made of it, and the control; each opens large."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope.jobs.report.place import Place, hung_place
from filterscope.jobs.report.render import slug, url
from filterscope.jobs.report.sections.cells import About, Column, columns_of
from filterscope.pipeline.methods.bias.edit import Redone
from filterscope.pipeline.methods.tasks import view_blocks
from filterscope.pipeline.methods.vulnerable.artifacts import pictures_path
from filterscope.pipeline.methods.vulnerable.asked import Attack
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.arrays import read_arrays
from filterscope.pipeline.stores.promises import Promise

#: Rows of a section.
ROWS = 24


@dataclass(frozen=True)
class Hung:
    """A picture of a row: its kind, where it lies, the script that the viewer asks for, what it says, width and height."""

    kind: str
    href: str
    script: str
    says: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Gallery:
    """Rows of a frame: columns, and the pictures of each row."""

    columns: list[Column]
    rows: list[list[Hung]]


@dataclass(frozen=True)
class Kept:
    """What is hung of a row.

    Attributes
    ----------
    folders : tuple of str
        What tells its pictures from those of other rows of the model and view.
    pictures : mapping of str to uint8 ndarray of shape (height, width, channels)
        Its pictures by their kind, in the order in which they are hung.
    says : mapping of str to str
        What stands below each.
    """

    folders: tuple[str, ...]
    pictures: Mapping[str, NDArray[np.uint8]]
    says: Mapping[str, str]


def hung(frame: pl.DataFrame, about: About, table: str) -> Gallery:
    """Lay out the rows of a gallery, whose finding is of a table."""
    shown, keep = frame.head(ROWS), keeper(table, about.where.plan)
    rows = [[one for _, one in pictures_of(row, keep(row))] for row in shown.to_dicts()]
    return Gallery(columns_of(shown, about), rows)


def pictures_of(row: Mapping[str, Any], kept: Kept) -> Iterator[tuple[Place, Hung]]:
    """Yield the pictures of a row with their places."""
    for kind, said in kept.says.items():
        place = hung_place(row["model"], kept.folders, row["view"], kind)
        height, width = kept.pictures[kind].shape[:2]
        yield place, Hung(kind, url(*place), url(*script_of(place)), said, (width, height))


def script_of(place: Place) -> Place:
    """Return the place of the script that the viewer asks for about a picture."""
    return *place[:-1], place[-1].removesuffix(".png") + ".js"


def keeper(table: str, plan: Plan) -> Callable[[Mapping[str, Any]], Kept]:
    """Return what makes the pictures of a row of a table."""
    if table == "edited_views":
        redone = cache(lambda model: Redone(plan, plan.model(model)))
        return lambda row: _edited(redone(row["model"]), row)
    return lambda row: _attacked(plan, row)


def _edited(redone: Redone, row: Mapping[str, Any]) -> Kept:
    """Make the pictures of an edit of a region."""
    edit, pictures = row["edit"], redone.pictures(row["attribute"], row["region"], row["view"])
    shown = {"image": pictures["image"], "edited": pictures[edit], "control": pictures[f"{edit} control"]}
    name, scores = row["attribute"], (row["before"], row["after"], row["under control"])
    said = (f"{name} {scores[0]:+.2f}", f"{edit} {row['region']}: {scores[1]:+.2f}", f"control: {scores[2]:+.2f}")
    return Kept((slug(name), slug(row["region"]), edit), shown, dict(zip(shown, said, strict=True)))


def _attacked(plan: Plan, row: Mapping[str, Any]) -> Kept:
    """Read the images of an attacked view."""
    key = Attack(row["attack"], row["strength"]).key
    block = next(name for name, start, stop in view_blocks(plan) if start <= row["view"] < stop)
    place = (row["model"], key, block)
    stored = read_arrays(Promise(plan.run, ("vulnerable",), place).read("pictures", pictures_path(plan.run, place)))
    at = int(np.flatnonzero(stored["view"] == row["view"])[0])
    image, attacked, control = stored["image"][at] / 255, stored["attacked"][at] / 65535, stored["control"][at] / 65535
    change = attacked - image
    largest = float(np.abs(change).max())
    times = 0.5 / largest if largest > 0 else 1.0
    shown = {"image": image, "change": 0.5 + times * change, "attacked": attacked, "control": control}
    undone = "; undone in 8 bits, as shown" if row["changed"] and not row["in 8 bits"] else ""
    says = {
        "image": f"{row['class']} {row['before']:.3f}",
        "change": f"change, {times:,.0f} times",
        "attacked": f"{row['becomes']}; {row['class']} {row['after']:.3f}{undone}",
        "control": f"control; {row['class']} {row['under control']:.3f}",
    }
    pictures = {kind: np.rint(255 * np.clip(one, 0, 1)).astype(np.uint8) for kind, one in shown.items()}
    return Kept((key,), pictures, says)


__all__ = ["ROWS", "Gallery", "Hung", "Kept", "hung", "keeper", "pictures_of", "script_of"]
