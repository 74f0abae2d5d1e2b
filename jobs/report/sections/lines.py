"""Frames as lines: numbers against the first column of numbers, a figure for each layer."""

from collections.abc import Sequence

import polars as pl

from filterscope.jobs.report.sections.cells import About, heading, texts
from filterscope.jobs.report.sections.charts import Lines, Series, lines

#: Figures of a section.
FIGURES = 12
#: Classes of colours of lines; the second is dashed: it is what a number is compared with.
COLOURS = ("k-object", "k-other", "k-texture", "k-scene", "k-color", "k-material")


def figures(frame: pl.DataFrame, about: About) -> list[Lines]:
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


def _figure(name: str, rows: pl.DataFrame, axis: str, values: Sequence[str]) -> Lines:
    series = [
        Series(heading(column), COLOURS[n % len(COLOURS)], rows[column].to_list(), texts(rows[column]), dashed=n == 1)
        for n, column in enumerate(values)
    ]
    return lines(name, heading(axis), rows[axis].cast(pl.Float64).to_list(), texts(rows[axis]), series)


__all__ = ["COLOURS", "FIGURES", "figures"]
