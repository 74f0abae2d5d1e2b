"""Small multiples: one chart of one size and one scale for each category or concept, over layers or over models."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from filterscope.jobs.report.sections.lines import COLOURS

#: Pixels of a chart: its width, where its axes meet, its top, and the height of the names below.
WIDTH, LEFT, TOP, HIGH, BELOW = 230, 38, 10, 96, 62
#: Names written below an axis at most, and their letters.
NAMES, LETTERS = 8, 13
#: Round tops of an axis in percent, whose halves are round too.
_TOPS = (0.2, 0.4, 1, 2, 4, 10, 20, 40, 100)


@dataclass(frozen=True)
class Point:
    """One value: where it stands in pixels, and what is told of it."""

    x: float
    y: float
    says: str


@dataclass(frozen=True)
class Series:
    """Values over one axis: its name, the class of its colour, and its points, None where a value is not there."""

    name: str
    colour: str
    points: list[Point | None]

    @property
    def runs(self) -> list[list[Point]]:
        """Points that a line joins: those next to each other, without what is not there."""
        found: list[list[Point]] = [[]]
        for point in self.points:
            if point is None:
                found.append([])
            else:
                found[-1].append(point)
        return [run for run in found if len(run) > 1]


@dataclass(frozen=True)
class Chart:
    """One of the multiples: what it is of, its category for the colour, and its series."""

    name: str
    category: str
    series: list[Series]

    @property
    def said(self) -> str:
        """The chart in words."""
        told = ("; ".join(point.says for point in series.points if point) for series in self.series)
        return f"{self.name}: {'; '.join(told)}"


@dataclass(frozen=True)
class Multiples:
    """Charts over one axis.

    Attributes
    ----------
    name, axis : str
        The heading, and what goes to the right.
    joined : bool
        Whether the places have an order, so that a line may join values.
    ticks : list of (float, str, str)
        Where names stand in pixels, what is written, and the name in full.
    levels : list of (float, str)
        Where percents stand in pixels, and their text; 0 is at the bottom in every chart, the last is the same in all.
    charts : list of Chart
        The charts.
    """

    name: str
    axis: str
    joined: bool
    ticks: list[tuple[float, str, str]]
    levels: list[tuple[float, str]]
    charts: list[Chart]


@dataclass(frozen=True)
class Counted:
    """How many of the units of each side are of one kind; None where a side could have none."""

    name: str
    category: str
    counts: Sequence[int | None]


def multiples(
    name: str, axis: str, *, places: Sequence[str], lines: Sequence[str], grid: Sequence[Sequence[int | None]],
    units: Sequence[int], kinds: Iterable[Counted], joined: bool,
) -> Multiples:  # fmt: skip
    """Lay out shares of units.

    Parameters
    ----------
    name, axis : str
        The heading, and what goes to the right.
    places, lines : sequence of str
        Names along the axis, and of the series.
    grid : sequence of sequence
        For each series, which side stands at each place; None for none.
    units : sequence of int
        Units of each side: what shares are of.
    kinds : iterable of Counted
        One for each chart.
    joined : bool
        Whether the places have an order.
    """
    kinds = list(kinds)
    shares = [
        100 * count / units[side]
        for kind in kinds
        for row in grid
        for side in row
        if side is not None and (count := kind.counts[side]) is not None
    ]
    top = round_top(max(shares, default=0.0))
    step = (WIDTH - LEFT - 12) / max(len(places) - 1, 1)
    across = [LEFT + 6 + step * n if len(places) > 1 else (LEFT + WIDTH - 6) / 2 for n in range(len(places))]

    def point(kind: Counted, place: int, side: int | None) -> Point | None:
        count = None if side is None else kind.counts[side]
        if side is None or count is None:
            return None
        says = f"{places[place]}: {count:,} of {units[side]:,} units ({100 * count / units[side]:.3g} %)"
        return Point(round(across[place], 1), round(TOP + HIGH * (1 - 100 * count / units[side] / top), 1), says)

    charts = [
        Chart(
            kind.name,
            kind.category,
            [
                Series(line, COLOURS[n % len(COLOURS)], [point(kind, place, side) for place, side in enumerate(row)])
                for n, (line, row) in enumerate(zip(lines, grid, strict=True))
            ],
        )
        for kind in kinds
    ]
    every = -(-len(places) // NAMES)
    ticks = [(round(across[n], 1), _ending(places[n]), places[n]) for n in range(0, len(places), every)]
    levels = [(TOP + HIGH * (1 - part), f"{top * part:g} %") for part in (0.0, 0.5, 1.0)]
    return Multiples(name, axis, joined, ticks, levels, charts)


def round_top(highest: float) -> float:
    """Return the least round percent that is not below the highest value; its half is round too."""
    return next((top for top in _TOPS if highest <= top), _TOPS[-1])


def _ending(name: str) -> str:
    """Return the end of a long name, in which names of layers and checkpoints differ."""
    return name if len(name) <= LETTERS else f"…{name[1 - LETTERS :]}"


__all__ = ["Chart", "Counted", "Multiples", "Point", "Series", "multiples", "round_top"]
