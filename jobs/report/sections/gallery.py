"""Attacked images side by side: the image, what was changed, what it became, and the control; each opens large."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope.jobs.report.place import Place, attacked_place
from filterscope.jobs.report.render import url
from filterscope.jobs.report.sections.cells import About, Column, columns_of
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
    """An attacked view: its images, uint8 of shape (height, width, channels), and how often the change is enlarged."""

    pictures: Mapping[str, NDArray[np.uint8]]
    times: float


def hung(frame: pl.DataFrame, about: About) -> Gallery:
    """Lay out the rows of a gallery."""
    shown, plan = frame.head(ROWS), about.where.plan
    rows = [[one for _, one in pictures_of(row, kept_of(plan, row))] for row in shown.to_dicts()]
    return Gallery(columns_of(shown, about), rows)


def pictures_of(row: Mapping[str, Any], kept: Kept) -> Iterator[tuple[Place, Hung]]:
    """Yield the pictures of a row with their places."""
    undone = "; undone in 8 bits, as shown" if row["changed"] and not row["in 8 bits"] else ""
    says = {
        "image": f"{row['class']} {row['before']:.3f}",
        "change": f"change, {kept.times:,.0f} times",
        "attacked": f"{row['becomes']}; {row['class']} {row['after']:.3f}{undone}",
        "control": f"control; {row['class']} {row['under control']:.3f}",
    }
    for kind, said in says.items():
        place = attacked_place(row["model"], _key(row), row["view"], kind)
        height, width = kept.pictures[kind].shape[:2]
        yield place, Hung(kind, url(*place), url(*script_of(place)), said, (width, height))


def _key(row: Mapping[str, Any]) -> str:
    return Attack(row["attack"], row["strength"]).key


def script_of(place: Place) -> Place:
    """Return the place of the script that the viewer asks for about a picture."""
    return *place[:-1], place[-1].removesuffix(".png") + ".js"


def kept_of(plan: Plan, row: Mapping[str, Any]) -> Kept:
    """Read the images of an attacked view."""
    block = next(name for name, start, stop in view_blocks(plan) if start <= row["view"] < stop)
    place = (row["model"], _key(row), block)
    stored = read_arrays(Promise(plan.run, ("vulnerable",), place).read("pictures", pictures_path(plan.run, place)))
    at = int(np.flatnonzero(stored["view"] == row["view"])[0])
    image, attacked, control = stored["image"][at] / 255, stored["attacked"][at] / 65535, stored["control"][at] / 65535
    change = attacked - image
    largest = float(np.abs(change).max())
    times = 0.5 / largest if largest > 0 else 1.0
    shown = {"image": image, "change": 0.5 + times * change, "attacked": attacked, "control": control}
    return Kept({kind: np.rint(255 * np.clip(one, 0, 1)).astype(np.uint8) for kind, one in shown.items()}, times)


__all__ = ["ROWS", "Gallery", "Hung", "Kept", "hung", "kept_of", "pictures_of", "script_of"]
