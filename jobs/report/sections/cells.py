"""Frames as tables of a page: numbers written alike down a column, names that lead to their pages."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import polars as pl

from filterscope.jobs.report.place import ReportPlace, concept_place, graph_place, layer_place, unit_place
from filterscope.jobs.report.render import NOTHING, url

Row = Mapping[str, Any]

#: Rows of a table on a page.
ROWS = 500
#: Whole numbers that name something and count nothing.
_NAMES = ("unit", "view", "image", "node", "pattern", "rank")
#: How words of columns are written.
_WRITTEN = {"iou": "IoU"}


@dataclass(frozen=True)
class About:
    """What a page is about, for the columns that it need not repeat and the pages that rows lead to.

    Attributes
    ----------
    where : ReportPlace
        The report.
    model, layer, unit, category : str or int, optional
        What all rows of a frame are about.
    concepts : frozenset of str
        Concepts that have pages.
    """

    where: ReportPlace
    model: str | None = None
    layer: str | None = None
    unit: int | None = None
    category: str | None = None
    concepts: frozenset[str] = frozenset()

    @property
    def said(self) -> set[str]:
        """Columns that hold what the page says already."""
        said = {name for name in ("model", "layer", "unit", "category") if getattr(self, name) is not None}
        return said | ({"model"} if len(self.where.plan.models) == 1 else set())


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    text : str
        What it says.
    href : str, optional
        Where it leads, from the folder of the site.
    category : str, optional
        Category of the concept that it names.
    value : str, optional
        What the column sorts by, where that is not its text.
    bar, heat : float, optional
        Length of a bar below the number, and how strongly the cell is coloured, in [0, 1].
    """

    text: str
    href: str | None = None
    category: str | None = None
    value: str | None = None
    bar: float | None = None
    heat: float | None = None


@dataclass(frozen=True)
class Column:
    """A column: its heading, whether it holds words, which stand to the left, its cells, and what it is, in a sentence."""

    name: str
    words: bool
    cells: list[Cell] = field(repr=False)
    says: str | None = None


def columns_of(frame: pl.DataFrame, about: About) -> list[Column]:
    """Return the columns of a frame but those that the page says already, or that hold no word at all.

    A column `category` after a column `concept` becomes part of it.
    """
    rows = frame.to_dicts()
    named = [name for name in frame.columns if name not in about.said and not _silent(frame[name])]
    if "concept" in named and "category" in named:
        named.remove("category")
    columns = []
    for name in named:
        words = frame[name].dtype in (pl.String, pl.Boolean) or frame[name].dtype.is_nested()
        columns.append(Column(heading(name), words, list(_cells(frame[name], rows, about))))
    return columns


def _silent(values: pl.Series) -> bool:
    """Tell whether a column says nothing in words: it holds views, which are drawn, or no word at all."""
    if values.name == "views" and values.dtype.is_nested():
        return True
    return values.dtype == pl.String and values.name != "concept" and values.null_count() == len(values)


def heading(name: str) -> str:
    """Return the name of a column as a person reads it."""
    return " ".join(_WRITTEN.get(word, word) for word in name.replace("_", " ").split(" "))


def _cells(values: pl.Series, rows: Sequence[Row], about: About) -> Iterator[Cell]:
    write = _LINKED.get(values.name)
    for text, row in zip(texts(values), rows, strict=True):
        yield write(text, row, about) if write and row[values.name] is not None else Cell(text)


def texts(values: pl.Series) -> list[str]:
    """Write the values of a column; those of one column of numbers have as many decimals, null is a dash."""
    if values.dtype.is_float():
        digits = decimals(values)
        return [NOTHING if v is None or not math.isfinite(v) else f"{v:,.{digits}f}" for v in values]
    if values.dtype == pl.Boolean:
        return [NOTHING if v is None else "yes" if v else "no" for v in values]
    if values.name == "concept":
        return ["no concept" if v is None else v for v in values]
    if values.dtype.is_integer() and values.name not in _NAMES:
        return [NOTHING if v is None else f"{v:,}" for v in values]
    if values.dtype.is_nested():
        return [NOTHING if v is None else ", ".join(map(str, v)) for v in values.to_list()]
    return [NOTHING if v is None else str(v) for v in values]


def decimals(values: pl.Series) -> int:
    """Return how many decimals show four digits of the largest value of a column; four where that is at most 1.

    Decimals that are zero all down a column of larger numbers are left out.
    """
    known = [v for v in values if v is not None and math.isfinite(v)]
    largest = max((abs(v) for v in known), default=0.0)
    if largest == 0 or 0.001 <= largest <= 1:
        return 4
    digits = min(max(3 - math.floor(math.log10(largest)), 0), 9)
    while digits and largest > 1 and all(round(v, digits) == round(v, digits - 1) for v in known):
        digits -= 1
    return digits


def with_bars(frame: pl.DataFrame, about: About) -> list[Column]:
    """Return the columns of a frame with bars below the numbers that come first after its last word."""
    columns = columns_of(frame, about)
    shown = [name for name in frame.columns if heading(name) in {column.name for column in columns}]
    last = max((n for n, name in enumerate(shown) if frame[name].dtype == pl.String), default=-1)
    name = next((name for name in shown[last + 1 :] if frame[name].dtype.is_float()), None)
    if name is None:
        return columns
    lengths = _parts(frame[name], [frame[name]])
    category = frame["category"].to_list() if "concept" in frame.columns and "category" in frame.columns else None
    place = next(n for n, column in enumerate(columns) if column.name == heading(name))
    cells = [
        replace(cell, bar=length, category=category[n] if category else None)
        for n, (cell, length) in enumerate(zip(columns[place].cells, lengths, strict=True))
    ]
    columns[place] = replace(columns[place], cells=cells)
    return columns


def with_heat(frame: pl.DataFrame, about: About) -> list[Column]:
    """Return the columns of a frame, all that hold fractions coloured by one scale from 0 to the largest of them."""
    numbers = {heading(name): frame[name] for name in frame.columns if frame[name].dtype.is_float()}
    return [
        column
        if column.name not in numbers
        else replace(
            column,
            cells=[
                replace(cell, heat=part)
                for cell, part in zip(column.cells, _parts(numbers[column.name], list(numbers.values())), strict=True)
            ],
        )
        for column in columns_of(frame, about)
    ]


def _parts(values: pl.Series, scale: Sequence[pl.Series]) -> list[float | None]:
    """Return values as parts of the largest one in some columns; None for what is no number."""
    finite = [v for column in scale for v in column if v is not None and math.isfinite(v)]
    largest = max(finite, default=0.0)
    return [
        None if v is None or not math.isfinite(v) else min(max(v / largest, 0.0), 1.0) if largest > 0 else 0.0
        for v in values
    ]


def _unit(text: str, row: Row, about: About) -> Cell:
    model, layer = row.get("model", about.model), row.get("layer", about.layer)
    page = (model, layer) in about.where.layers
    return Cell(text, url(*unit_place(model, layer, row["unit"])) if page else None)


def _layer(text: str, row: Row, about: About) -> Cell:
    model = row.get("model", about.model)
    return Cell(text, url(*layer_place(model, text)) if (model, text) in about.where.layers else None)


def _concept(text: str, row: Row, about: About) -> Cell:
    href = url(*concept_place(text)) if text in about.concepts else None
    return Cell(text, href, row.get("category"))


def _category(text: str, row: Row, about: About) -> Cell:
    """Lead to the page of a category, unless the row names a node, which leads there."""
    model = row.get("model", about.model)
    page = (model, text) in about.where.graphs and "node" not in row
    return Cell(text, url(*graph_place(model, text)) if page else None)


def _node(text: str, row: Row, about: About) -> Cell:
    """Lead to a node of a graph, where the row says which."""
    model, layer, unit = (row.get(name, getattr(about, name)) for name in ("model", "layer", "unit"))
    category = row.get("category", about.category)
    href = None
    if (model, category) in about.where.graphs and layer is not None and unit is not None:
        href = f"{url(*graph_place(model, category))}#node={quote(f'{layer}/{unit}/{text}')}"
    return Cell(f"node {text}", href, value=text)


_LINKED: dict[str, Callable[[str, Row, About], Cell]] = {
    "unit": _unit,
    "layer": _layer,
    "concept": _concept,
    "category": _category,
    "node": _node,
}

__all__ = ["ROWS", "About", "Cell", "Column", "columns_of", "decimals", "heading", "texts", "with_bars", "with_heat"]
