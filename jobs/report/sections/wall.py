"""Frames with a picture in every row as a wall of them, each above its numbers."""

import base64
import io
from dataclasses import dataclass

import polars as pl

from filterscope.jobs.report.sections.cells import About, Column, columns_of

#: Pictures of a section.
ROWS = 128
#: Largest side of a picture on a page of one unit, and among those of a layer, in pixels.
LARGE, SMALL = 256, 112
#: Width up to which pictures that stand side by side keep their size.
WIDE = 4 * SMALL


@dataclass(frozen=True)
class Hung:
    """A picture as an address, its width and height as it is drawn."""

    address: str
    width: int
    height: int


@dataclass(frozen=True)
class Wall:
    """Rows of a frame: columns without the pictures, and the picture of each row."""

    columns: list[Column]
    rows: list[Hung]


def wall(frame: pl.DataFrame, about: About) -> Wall:
    """Lay out a frame whose column `picture` holds PNGs."""
    shown = frame.head(ROWS)
    side = SMALL if about.unit is None else LARGE
    return Wall(columns_of(shown.drop("picture"), about), [hung_picture(data, side) for data in shown["picture"]])


def hung_picture(data: bytes, side: int) -> Hung:
    """Return a PNG as it hangs on a page, its larger side at most so many pixels; smaller ones are enlarged."""
    from PIL import Image

    picture = Image.open(io.BytesIO(data), formats=("PNG",)).convert("RGB")
    if picture.width > 1.5 * picture.height:
        side = max(side, min(picture.width, WIDE))
    scale = side / max(picture.size)
    if scale < 1:
        picture = picture.resize((max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)))
        scale = 1.0
    sink = io.BytesIO()
    picture.save(sink, "WEBP", quality=90)
    address = f"data:image/webp;base64,{base64.b64encode(sink.getvalue()).decode()}"
    return Hung(address, round(picture.width * scale), round(picture.height * scale))


__all__ = ["LARGE", "ROWS", "SMALL", "WIDE", "Hung", "Wall", "hung_picture", "wall"]
