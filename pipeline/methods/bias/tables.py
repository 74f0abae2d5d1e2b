"""The user's two tables, expected pairs and regions: read from CSV once, then kept as rows in the run's own settings.

A row is a line of CSV, so that settings hold plain text and a run can be resumed where the file is gone.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_SIGNS = {"+": 1, "-": -1, "0": 0}
#: What a person may write for a sign: a spreadsheet turns + and - into these.
_WRITTEN = {"+": "+", "+1": "+", "1": "+", "-": "-", "-1": "-", "\u2212": "-", "0": "0"}


@dataclass(frozen=True)
class Pair:
    """What is expected of two attributes: 1, -1 or 0."""

    attribute: str
    other: str
    expected: int


@dataclass(frozen=True)
class Region:
    """A region that is edited.

    Attributes
    ----------
    name : str
        Its name.
    box : tuple of float, optional
        x0, y0, x1, y1 in parts of the view; None for a landmark or concept of the data set.
    own : frozenset of str
        Attributes that are seen there.
    """

    name: str
    box: tuple[float, float, float, float] | None
    own: frozenset[str]


def expected_rows(value: object) -> object:
    """Return the rows of a table of expected pairs from the path of a CSV file, or check rows.

    Raises
    ------
    ValueError
        If the file cannot be read, or a row is malformed: with its line and what was received.
    """
    return _rows(value, ("attribute", "other", "expected"), _check_pairs)


def region_rows(value: object) -> object:
    """Return the rows of a table of regions from the path of a CSV file, or check rows; raises ValueError likewise."""
    return _rows(value, ("region", "x0", "y0", "x1", "y1", "own"), _check_regions)


def pairs_of_rows(rows: Sequence[str]) -> list[Pair]:
    """Return what checked rows expect."""
    return [Pair(cells[0], cells[1], _SIGNS[cells[2]]) for cells in map(_cells, rows)]


def regions_of_rows(rows: Sequence[str]) -> list[Region]:
    """Return the regions of checked rows."""
    found = []
    for name, x0, y0, x1, y1, own in map(_cells, rows):
        box = (float(x0), float(y0), float(x1), float(y1)) if x0 else None
        found.append(Region(name, box, frozenset(filter(None, map(str.strip, own.split(";"))))))
    return found


Lines = list[tuple[str, list[str]]]


def _rows(value: object, columns: tuple[str, ...], check: Callable[[Lines], list[list[str]]]) -> object:
    if value == "":
        return ()
    if isinstance(value, str):
        lines = _read(Path(value).expanduser(), columns)
    elif isinstance(value, (list, tuple)) and all(isinstance(row, str) for row in value):
        lines = [(f"row {number}", _cells(row)) for number, row in enumerate(value, 1)]
    else:
        raise ValueError(f"the path of a CSV file with the columns {','.join(columns)}")
    return tuple(_line(cells) for cells in check(lines))


def _read(path: Path, columns: tuple[str, ...]) -> Lines:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            found = [(f"{path.name} line {reader.line_num}", [c.strip() for c in row]) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"a CSV file with the columns {','.join(columns)} ({type(error).__name__}: {error})") from None
    if found and [cell.casefold() for cell in found[0][1]] == list(columns[: len(found[0][1])]):
        found = found[1:]
    if not found:
        raise ValueError(f"a CSV file with the columns {','.join(columns)}; {path.name} has no row")
    return found


def _check_pairs(lines: Lines) -> list[list[str]]:
    found: dict[frozenset[str], list[str]] = {}
    for where, cells in lines:
        if len(cells) != 3 or not all(cells):
            raise ValueError(f"attribute,other,expected in every row; {where} is {_line(cells)!r}")
        one, other, sign = cells
        if sign not in _WRITTEN:
            raise ValueError(f"+, - or 0 as what is expected; {where} is {_line(cells)!r}")
        if one == other:
            raise ValueError(f"two attributes in every row; {where} names {one!r} twice")
        row = [one, other, _WRITTEN[sign]]
        if found.setdefault(frozenset((one, other)), row)[2] != row[2]:
            raise ValueError(
                f"one expectation for a pair; {where} says {sign} of {one!r} and {other!r}, an earlier row differs"
            )
    return list(found.values())


def _check_regions(lines: Lines) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for where, given in lines:
        cells = [*given, *([""] * (6 - len(given)))]
        if len(cells) != 6 or not cells[0]:
            raise ValueError(f"region,x0,y0,x1,y1,own in every row; {where} is {_line(given)!r}")
        if any(cells[1:5]):
            _check_box(cells, where)
        if cells[0] in found:
            raise ValueError(f"one row for a region; {where} names {cells[0]!r} again")
        found[cells[0]] = cells
    return list(found.values())


def _check_box(cells: list[str], where: str) -> None:
    try:
        x0, y0, x1, y1 = (float(cell) for cell in cells[1:5])
    except ValueError:
        raise ValueError(f"four numbers as the box of a region, or none; {where} is {_line(cells)!r}") from None
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise ValueError(
            f"a box in parts of the view, 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1; {where} is {_line(cells)!r}"
        )


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([row]), [])]


def _line(cells: Sequence[str]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="").writerow(cells)
    return sink.getvalue()


__all__ = ["Pair", "Region", "expected_rows", "pairs_of_rows", "region_rows", "regions_of_rows"]
