"""Frames as lines: numbers against the first column of numbers, a figure for each layer."""

from collections.abc import Sequence

import polars as pl

from filterscope.jobs.report.sections.cells import About, heading, texts
from filterscope.jobs.report.sections.charts import Lines, Series, lines

#: Figures of a section.
FIGURES = 12
#: Columns `X low` and `X high` are the interval of column X: a band around its line.
ENDS = ("low", "high")
#: Classes of colours of lines; the second is dashed: it is what a number is compared with.
COLOURS = ("k-object", "k-other", "k-texture", "k-scene", "k-color", "k-material")


def figures(frame: pl.DataFrame, about: About) -> list[Lines]:
    """Lay out a frame; groups of fewer than two rows have no figure."""
    numeric = [name for name in frame.columns if frame[name].dtype.is_numeric() and name not in about.said]
    words = [name for name in frame.columns if frame[name].dtype == pl.String and name not in about.said]
    if len(numeric) < 2 or frame.height < 2:
        return []
    axis, *values = (name for name in numeric if not _interval(name, numeric))
    groups = frame.group_by(words, maintain_order=True) if words else [((), frame)]
    drawn = [
        _figure(" ".join("" if part is None else str(part) for part in key), rows.sort(axis), axis, values)
        for key, rows in groups
        if rows[axis].n_unique() > 1
    ]
    return drawn[:FIGURES]


def _figure(name: str, rows: pl.DataFrame, axis: str, values: Sequence[str]) -> Lines:
    series = [_series(rows, column, COLOURS[n % len(COLOURS)], dashed=n == 1) for n, column in enumerate(values)]
    return lines(name, heading(axis), rows[axis].cast(pl.Float64).to_list(), texts(rows[axis]), series)


def _interval(name: str, columns: Sequence[str]) -> bool:
    """Tell whether a column holds an end of the interval of another."""
    of, _, end = name.rpartition(" ")
    return end in ENDS and of in columns


def _series(rows: pl.DataFrame, column: str, colour: str, *, dashed: bool) -> Series:
    said = texts(rows[column])
    names = [f"{column} {end}" for end in ENDS]
    if not set(names) <= set(rows.columns):
        return Series(heading(column), colour, rows[column].to_list(), said, dashed=dashed)
    low, high = (rows[name] for name in names)
    said = [f"{text} ({least} to {most})" for text, least, most in zip(said, texts(low), texts(high), strict=True)]
    return Series(heading(column), colour, rows[column].to_list(), said, dashed, low.to_list(), high.to_list())


__all__ = ["COLOURS", "FIGURES", "figures"]
