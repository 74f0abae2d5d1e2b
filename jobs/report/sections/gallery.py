"""Attacked images side by side: the image, what was changed, what it became, and the control; each opens large."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope.jobs.report.pictures import drawn_size
from filterscope.jobs.report.place import Place, ReportPlace, attacked_place, image_place
from filterscope.jobs.report.render import url, write_script
from filterscope.jobs.report.sections.cells import About, Column, columns_of
from filterscope.jobs.report.thumbnails import images_at_hand
from filterscope.pipeline.methods.tasks import view_blocks
from filterscope.pipeline.methods.vulnerable.artifacts import pictures_path
from filterscope.pipeline.methods.vulnerable.asked import Attack
from filterscope.pipeline.methods.vulnerable.findings import gallery
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.arrays import read_arrays
from filterscope.pipeline.stores.places import write_atomically
from filterscope.pipeline.stores.promises import Promise

#: Rows of a section.
ROWS = 24
#: Tables that pictures of attacked images depend on.
OWN = ("adversarial",)


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
class _Kept:
    """An attacked view: its images, uint8 of shape (height, width, channels), and how often the change is enlarged."""

    pictures: Mapping[str, NDArray[np.uint8]]
    times: float


def hung(frame: pl.DataFrame, about: About) -> Gallery:
    """Lay out the rows of a gallery."""
    shown, plan = frame.head(ROWS), about.where.plan
    rows = [[one for _, one in _hung(row, _kept(plan, row))] for row in shown.to_dicts()]
    return Gallery(columns_of(shown, about), rows)


def write_gallery(where: ReportPlace, model: str) -> int:
    """Write the pictures of a model that the gallery shows, each with the script that the viewer asks for; return how many."""
    shown, written = gallery(where.plan.run).head(ROWS), 0
    for row in shown.filter(model=model).to_dicts() if shown.height else ():
        kept, image = _kept(where.plan, row), int(where.plan.views.image[row["view"]])
        for place, one in _hung(row, kept):
            _write_picture(where.site.joinpath(*place), kept.pictures[one.kind])
            facts = {
                "name": one.says,
                "page": url(*image_place(image)) if images_at_hand(where.plan) else one.href,
                "picture": one.href,
                "said": f"image {image} · view {row['view']} · {row['attack']}",
                "reason": "",
                "width": one.size[0],
                "height": one.size[1],
                "drawn": list(drawn_size(one.size[1], one.size[0])),
                "frames": {},
                "concepts": [],
            }
            write_script(where.site, _script(place), "pictures.other", one.script, facts)
            written += 1
    return written


def _write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(sink, "PNG")
    write_atomically(path, sink.getvalue())


def _hung(row: Mapping[str, Any], kept: _Kept) -> Iterator[tuple[Place, Hung]]:
    """Yield the pictures of a row with their places."""
    undone = "; in 8 bits, as shown, the class is back" if row["changed"] and not row["in 8 bits"] else ""
    says = {
        "image": f"{row['class']} {row['before']:.3f}",
        "change": f"change, {kept.times:,.0f} times",
        "attacked": f"{row['becomes']}; {row['class']} {row['after']:.3f}{undone}",
        "control": f"control; {row['class']} {row['under control']:.3f}",
    }
    for kind, said in says.items():
        place = attacked_place(row["model"], _key(row), row["view"], kind)
        height, width = kept.pictures[kind].shape[:2]
        yield place, Hung(kind, url(*place), url(*_script(place)), said, (width, height))


def _key(row: Mapping[str, Any]) -> str:
    return Attack(row["attack"], row["strength"]).key


def _script(place: Place) -> Place:
    return *place[:-1], place[-1].removesuffix(".png") + ".js"


def _kept(plan: Plan, row: Mapping[str, Any]) -> _Kept:
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
    return _Kept({kind: np.rint(255 * np.clip(one, 0, 1)).astype(np.uint8) for kind, one in shown.items()}, times)


__all__ = ["OWN", "ROWS", "Gallery", "Hung", "hung", "write_gallery"]
