"""Tables for people: as wide as the terminal, or 80 columns where there is none; words are never cut, and numbers are short."""

import math
import re
import shutil
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len

from filterscope.jobs.terminal import plain

#: Columns of a page, where the output is no terminal.
WIDTH = 80
_GAP = "  "
_DIGITS = 3
#: A column of text is not folded to fewer characters than this.
_LEAST = 12
#: Where a heading may be folded: after an underscore, a slash or a space.
_SEAMS = re.compile(r"(?<=[_/])(?=\w)|\s+")
_SPACES = re.compile(r"(?<=\s)")


def number(value: float) -> str:
    """Return a number with three significant digits, as a person would write it; whole numbers keep all of theirs."""
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    if abs(value) >= 10**_DIGITS - 0.5:
        return f"{value:.0f}" if abs(value) < 1e15 else f"{value:.{_DIGITS - 1}e}"
    return f"{value:.{_DIGITS}g}"


def cell(value: object) -> str:
    """Return a value as it stands in a table: a dash for nothing, and characters that would break its lines written out."""
    if value is None:
        return "-"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    text = "yes" if value is True else "no" if value is False else str(value)
    return plain(text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t"))


def grid(names: Sequence[str], rows: Iterable[Sequence[Any]], *, width: int | None = None) -> str:
    """Return a table that fits a width, as text.

    As long as it is too wide, texts that are the same in all rows are said once above it, then headings and texts are folded
    between words, and at last columns that still do not fit are left out and named below; the first one always stays.

    Parameters
    ----------
    names : sequence of str
        Headings.
    rows : iterable of sequence
        A value for each heading; columns of numbers are aligned to the right.
    width : int, optional
        Characters of a line; by default those of the terminal, or `WIDTH`.

    Returns
    -------
    str
        Lines, each with a line break.
    """
    width = width or columns_here()
    values = [list(row) for row in rows]
    columns = [_Column(name, [row[place] for row in values]) for place, name in enumerate(names)]
    above: list[str] = []
    for column in columns[:-1] if len(values) > 1 else []:
        if _total([one.natural for one in columns]) > width and not column.right and len(set(column.cells)) == 1:
            above.append(f"{column.name}: {column.cells[0]}")
            columns.remove(column)
    shown: list[_Column] = []
    for column in columns:
        if not shown or _total([one.least for one in (*shown, column)]) <= width:
            shown.append(column)
    rest = [column.name for column in columns if column not in shown]
    lines = [line for text in above for line in _folded(text, width)]
    lines += _drawn(shown, _widths(shown, width))
    if rest:
        lines += _folded(f"left out to fit {width} columns: {', '.join(rest)}", width)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def columns_here() -> int:
    """Return the characters of a line: those of the terminal, COLUMNS, or `WIDTH`."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def folded(text: str) -> str:
    """Return a paragraph in lines that fit, each with a line break."""
    return "".join(f"{line}\n" for line in _folded(plain(text), columns_here()))


class _Column:
    """A column: its heading and cells, how wide they are and how narrow they may be."""

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        self.name = cell(name)
        self.cells = [cell(value) for value in values]
        stated = [value for value in values if value is not None]
        self.right = bool(stated) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in stated)
        widest = max(map(cell_len, self.cells), default=0)
        words = max((cell_len(word) for text in self.cells for word in text.split()), default=0)
        heading = max(map(cell_len, _SEAMS.split(self.name)))
        self.natural = max(widest, cell_len(self.name))
        self.least = max(heading, widest if self.right else min(widest, max(words, _LEAST)))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """Return the width of each column: what is left is given to those that lack most, character by character."""
    widths = [column.least for column in columns]
    for _ in range(max(width - _total(widths), 0)):
        lacking = [column.natural - own for column, own in zip(columns, widths, strict=True)]
        if not columns or max(lacking) <= 0:
            break
        widths[lacking.index(max(lacking))] += 1
    return widths


def _drawn(columns: Sequence[_Column], widths: Sequence[int]) -> list[str]:
    if not columns:
        return []
    heads = [_folded(column.name, own, _SEAMS) for column, own in zip(columns, widths, strict=True)]
    tall = max(map(len, heads))
    lines = _lines([[""] * (tall - len(head)) + head for head in heads], columns, widths)
    lines.append(_GAP.join("-" * own for own in widths))
    for row in zip(*(column.cells for column in columns), strict=True):
        lines += _lines([_folded(text, own) for text, own in zip(row, widths, strict=True)], columns, widths)
    return lines


def _lines(cells: Sequence[Sequence[str]], columns: Sequence[_Column], widths: Sequence[int]) -> list[str]:
    """Return the lines of a row whose cells are lines."""
    found = []
    for parts in zip_longest(*cells, fillvalue=""):
        blanks = [" " * (own - cell_len(part)) for part, own in zip(parts, widths, strict=True)]
        found.append(
            _GAP.join(
                blank + part if column.right else part + blank
                for part, blank, column in zip(parts, blanks, columns, strict=True)
            )
        )
    return found


def _folded(text: str, width: int, seams: re.Pattern[str] | None = None) -> list[str]:
    """Return a text in lines of a width, broken between its words; a longer word has a line of its own."""
    if cell_len(text) <= width:
        return [text]
    lines: list[str] = []
    for piece in (seams or _SPACES).split(text):
        glue = "" if not lines or seams is None or lines[-1].endswith(("_", "/")) else " "
        if lines and cell_len((lines[-1] + glue + piece).rstrip()) <= width:
            lines[-1] += glue + piece
        else:
            lines.append(piece)
    return [line.rstrip() for line in lines]


__all__ = ["WIDTH", "cell", "folded", "grid", "number"]
