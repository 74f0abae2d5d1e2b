"""Relations of attributes: a matrix of all of them, and the patterns of pairs over the views that show them."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope.jobs.report.sections.axes import Box
from filterscope.jobs.report.sections.cells import About, Column, columns_of
from filterscope.jobs.report.sections.listed import VIEWS, Pictured, pictured
from filterscope.operators.bias.order import clustered

#: Attributes of a matrix at most, those that are tied most strongly; side of a cell, and room for names.
MOST, CELL, ROOM = 60, 17, 150
#: Pairs whose patterns are drawn.
PAIRS = 16
_FOR, _AGAINST, _OPAQUE = (178, 24, 43), (33, 102, 172), 215


@dataclass(frozen=True)
class Square:
    """A cell: column and row, which side of 0, how strongly coloured, its mark, whether it conflicts, and what it says."""

    x: int
    y: int
    sign: str
    part: float
    mark: str
    conflict: bool
    text: str


@dataclass(frozen=True)
class Matrix:
    """The relations of one model: names in order, cells below the diagonal, and the correlations in the data above it."""

    name: str
    attributes: list[str]
    squares: list[Square]
    box: Box
    cell: int
    cut: int


def matrices(frame: pl.DataFrame, about: About) -> list[Matrix]:
    """Return a matrix for each model of a frame of `attribute`, `other`, `relation`, `expected`, `kind` and `in the data`."""
    return [_matrix(str(model), rows) for (model,), rows in frame.group_by("model", maintain_order=True)]


def _matrix(model: str, rows: pl.DataFrame) -> Matrix:
    names = sorted({*rows["attribute"], *rows["other"]})
    relation = np.eye(len(names))
    for one, other, value in rows.select("attribute", "other", "relation").iter_rows():
        i, j = names.index(one), names.index(other)
        relation[i, j] = relation[j, i] = 0.0 if value is None else value
    strength = np.abs(relation - np.eye(len(names))).max(axis=1)
    kept = np.sort(np.argsort(-strength, kind="stable")[:MOST])
    order = kept[clustered(relation[np.ix_(kept, kept)])]
    place = {names[k]: at for at, k in enumerate(order.tolist())}
    squares = [
        s for row in rows.to_dicts() if {row["attribute"], row["other"]} <= place.keys() for s in _two(row, place)
    ]
    side = len(order) * CELL
    box = Box(-ROOM, -ROOM, side + ROOM + 4, side + ROOM + 4)
    return Matrix(model, list(place), squares, box, CELL, len(names) - len(order))


def _two(row: Mapping[str, Any], place: Mapping[str, int]) -> list[Square]:
    """Return the cell of a pair below the diagonal, and that of its correlation above it."""
    low, high = sorted((place[row["attribute"]], place[row["other"]]))
    pair, phi = f"{row['attribute']}, {row['other']}", row["in the data"]
    conflict = row["kind"] in ("blind_spot", "failure_mode")
    said = f"; expected {row['expected']}: {row['kind']}" if row["expected"] else ""
    found = [_square(low, high, row["relation"], f"{pair}: relation", row["expected"] or "", conflict, said)]
    return (
        found if phi is None else [*found, _square(high, low, phi, f"{pair}: in the data", "", conflict=False, said="")]
    )


def _square(x: int, y: int, value: float | None, what: str, mark: str, conflict: bool, said: str) -> Square:
    known = 0.0 if value is None else value
    number = "not known" if value is None else f"{value:.2f}"
    return Square(x, y, "for" if known >= 0 else "against", abs(known), mark, conflict, f"{what} {number}{said}")


@dataclass(frozen=True)
class Pattern:
    """The map of an attribute over a view: the view, the map as an address of a picture, and its score in words."""

    view: Pictured
    href: str
    score: str


@dataclass(frozen=True)
class Patterns:
    """Pairs of attributes: columns without the views; of each pair the attributes and the maps of both over each view."""

    columns: list[Column]
    rows: list[list[tuple[str, list[Pattern]]]]


def patterns(frame: pl.DataFrame, about: About) -> Patterns:
    """Lay out a frame whose column `views` holds view, pattern and beside: score, map, height, width and scale of each."""
    shown, rows = frame.head(PAIRS), []
    for row in shown.to_dicts():
        views = (row["views"] or [])[:VIEWS]
        rows.append(
            [
                (
                    row[name],
                    [Pattern(pictured(v, row, about), _address(v[key]), f"{v[key]['score']:.2f}") for v in views],
                )
                for name, key in (("attribute", "pattern"), ("other", "beside"))
            ]
        )
    return Patterns(columns_of(shown, about), rows)


def _address(pattern: Mapping[str, Any]) -> str:
    values = np.array(pattern["map"], np.float32).reshape(pattern["height"], pattern["width"])
    return picture(values, pattern["scale"])


def picture(values: NDArray[np.float32], scale: float) -> str:
    """Return a signed map as a PNG in an address: red above 0 and blue below, opaque from `scale` on."""
    from PIL import Image

    part = np.clip(values / scale, -1, 1) if scale > 0 else np.zeros(values.shape)
    colours = np.where((part >= 0)[..., None], _FOR, _AGAINST)
    pixels = np.concatenate([colours, np.rint(np.abs(part) * _OPAQUE)[..., None]], axis=2).astype(np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(sink, "PNG")
    return f"data:image/png;base64,{base64.b64encode(sink.getvalue()).decode()}"


__all__ = ["PAIRS", "Matrix", "Patterns", "matrices", "patterns", "picture"]
