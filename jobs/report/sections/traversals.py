"""Frames with pictures along codes as strips, each above the curves of what is measured in the pictures."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from filterscope.jobs.report.sections.cells import About, Column, columns_of
from filterscope.operators.codes.morphometry import FACTORS

#: Strips of a section; width and height of a picture, and height of the curves, in pixels.
ROWS, SIDE, CURVES = 40, 56, 44
#: Columns that hold pictures and what belongs to them.
_PARTS = ("value", "factors", "picture", "height", "width")
#: Curves of a strip: the factors that change most, and their classes of colours.
_COLOURS = ("k-object", "k-other", "k-texture")


@dataclass(frozen=True)
class Curve:
    """A curve: the factor, its colour, the path, and its first and last value."""

    factor: str
    colour: str
    path: str
    said: str


@dataclass(frozen=True)
class Strip:
    """Pictures of a code, one per step, as addresses, with their values; and curves below."""

    pictures: list[tuple[str, str]]
    curves: list[Curve]
    width: int
    height: int = CURVES


@dataclass(frozen=True)
class Traversals:
    """Rows of a frame: columns without the pictures, and the strip of each row."""

    columns: list[Column]
    rows: list[Strip]


def traversals(frame: pl.DataFrame, about: About) -> Traversals:
    """Lay out a frame whose columns `picture`, `height`, `width`, `value` and `factors` hold the steps along a code."""
    shown = frame.head(ROWS)
    return Traversals(columns_of(shown.drop(_PARTS), about), [_strip(row) for row in shown.to_dicts()])


def _strip(row: dict[str, Any]) -> Strip:
    pictures = [
        (_address(data, row["height"], row["width"]), f"{value:+.2f}")
        for data, value in zip(row["picture"], row["value"], strict=True)
    ]
    curves = _curves(np.array(row["factors"], np.float64), row["top_factor"])
    return Strip(pictures, curves, SIDE * len(pictures))


def _address(data: bytes, height: int, width: int) -> str:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(np.frombuffer(data, np.uint8).reshape(height, width)).save(sink, "PNG")
    return f"data:image/png;base64,{base64.b64encode(sink.getvalue()).decode()}"


def _curves(factors: np.ndarray, top: str | None) -> list[Curve]:
    """Return the curves of the top factor and of those that change most, each from its lowest to its highest value."""
    low, high = factors.min(axis=0), factors.max(axis=0)
    change = (high - low) / np.maximum(np.abs(factors).max(axis=0), 1e-9)
    change[[name == top for name in FACTORS]] = np.inf
    order: Sequence[int] = np.argsort(-change, kind="stable")[: len(_COLOURS)].tolist()
    found = []
    for colour, number in zip(_COLOURS, order, strict=True):
        share = (factors[:, number] - low[number]) / max(high[number] - low[number], 1e-12)
        points = [f"{SIDE * (step + 0.5):.0f} {CURVES - 4 - (CURVES - 8) * y:.1f}" for step, y in enumerate(share)]
        said = f"{FACTORS[number]} {factors[0, number]:.2f} to {factors[-1, number]:.2f}"
        found.append(Curve(FACTORS[number], colour, "M" + "L".join(points), said))
    return found


__all__ = ["ROWS", "Curve", "Strip", "Traversals", "traversals"]
