"""Frames as lines: numbers against the first column of numbers, a figure for each layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from filterscope.jobs.report.sections.cells import About, heading, texts

#: Figures of a section.
FIGURES = 12
#: Classes of colours of lines; the second is dashed: it is what a number is compared with.
COLOURS = ("k-object", "k-other", "k-texture", "k-scene", "k-color", "k-material")


@dataclass(frozen=True)
class Line:
    """A line: what it is of, its values as text, and its points in [0, 1], 0 at the top; None where there is no value."""

    name: str
    colour: str
    texts: list[str]
    points: list[tuple[float, float] | None]


@dataclass(frozen=True)
class Figure:
    """Lines over one axis.

    Attributes
    ----------
    name : str
        What its rows are about.
    axis : str
        What goes to the right.
    ticks : list of (float, str)
        Where its values stand in [0, 1], and their text.
    lines : list of Line
        What goes up.
    highest : float
        The value at the top; 0 is at the bottom.
    """

    name: str
    axis: str
    ticks: list[tuple[float, str]]
    lines: list[Line]
    highest: float

    @property
    def said(self) -> str:
        """The figure in words."""
        start = f"{self.name}: " if self.name else ""
        over = f"{self.axis} {', '.join(text for _, text in self.ticks)}"
        return start + "; ".join([over, *(f"{line.name} {', '.join(line.texts)}" for line in self.lines)])


def figures(frame: pl.DataFrame, about: About) -> list[Figure]:
    """Lay out a frame; groups of fewer than two rows have no figure."""
    numeric = [name for name in frame.columns if frame[name].dtype.is_numeric() and name not in about.said]
    words = [name for name in frame.columns if frame[name].dtype == pl.String and name not in about.said]
    if len(numeric) < 2 or frame.height < 2:
        return []
    axis, *values = numeric
    groups = frame.group_by(words, maintain_order=True) if words else [((), frame)]
    drawn = [
        _figure(" ".join("" if part is None else str(part) for part in key), rows.sort(axis), axis, values)
        for key, rows in groups
        if rows[axis].n_unique() > 1
    ]
    return drawn[:FIGURES]


def _figure(name: str, rows: pl.DataFrame, axis: str, values: Sequence[str]) -> Figure:
    known = [v for column in values for v in rows[column] if v is not None and math.isfinite(v)]
    highest = max([*known, 0.0]) or 1.0
    places = _places(rows[axis].cast(pl.Float64).to_list())
    lines = []
    for number, column in enumerate(values):
        points = [
            (place, 1 - value / highest) if value is not None and math.isfinite(value) else None
            for place, value in zip(places, rows[column].to_list(), strict=True)
        ]
        lines.append(Line(heading(column), COLOURS[number % len(COLOURS)], texts(rows[column]), points))
    return Figure(name, heading(axis), list(zip(places, texts(rows[axis]), strict=True)), lines, highest)


def _places(values: Sequence[float]) -> list[float]:
    """Spread ascending values over [0, 1], by their logarithm where the last is four times the first or more."""
    if values[0] > 0 and values[-1] >= 4 * values[0]:
        values = [math.log(value) for value in values]
    return [(value - values[0]) / (values[-1] - values[0]) for value in values]


__all__ = ["COLOURS", "FIGURES", "Figure", "Line", "figures"]
