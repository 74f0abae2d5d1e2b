"""Figures as numbers: where bars and lines of inline SVG go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log1p
from typing import Any

#: Pixels of a bar with its gap, of the gap between categories, and of the highest bar.
BAR, GAP, HEIGHT = 15, 22, 110
#: Bars up to which every one is labelled.
LABELLED = 160
_FIRST = 3

Groups = Sequence[tuple[str, Sequence[tuple[str, int]]]]


@dataclass(frozen=True)
class Bar:
    """One concept: where its bar stands, how high it is, and whether its name is written below."""

    concept: str
    count: int
    x: float
    height: float
    labelled: bool


@dataclass(frozen=True)
class BarGraph:
    """The bar graph of a dissection: units of each concept, category by category; `groups` hold (category, x, width, bars)."""

    groups: list[tuple[str, float, float, list[Bar]]]
    width: float
    highest: int


def bar_graph(groups: Groups) -> BarGraph:
    """Lay out the units of each concept (Bau et al. 2017, figure 6)."""
    bars = sum(len(concepts) for _, concepts in groups)
    highest = max((count for _, concepts in groups for _, count in concepts), default=0)
    x, laid = 0.0, []
    for category, concepts in groups:
        drawn = [
            Bar(name, count, x + BAR * n, HEIGHT * count / highest, bars <= LABELLED or n < _FIRST)
            for n, (name, count) in enumerate(concepts)
        ]
        width = BAR * max(len(drawn), 5)
        laid.append((category, x, float(width), drawn))
        x += width + GAP
    return BarGraph(laid, max(x - GAP, 0.0), highest)


@dataclass(frozen=True)
class Trend:
    """Concepts per category over the layers of a model: one line per category, points in [0, 1], 0 at the top."""

    layers: list[str]
    lines: list[tuple[str, list[int], list[tuple[float, float]]]]
    highest: int


def trend(layers: Sequence[tuple[str, Mapping[str, int]]]) -> Trend:
    """Lay out how many concepts of each category the layers of a model detect, in the order given."""
    categories = sorted({category for _, counts in layers for category in counts})
    highest = max((count for _, counts in layers for count in counts.values()), default=0)
    lines = []
    for category in categories:
        counts = [found.get(category, 0) for _, found in layers]
        points = [(n / max(len(layers) - 1, 1), 1 - count / max(highest, 1)) for n, count in enumerate(counts)]
        lines.append((category, counts, points))
    lines.sort(key=lambda line: -line[1][-1])
    return Trend([name for name, _ in layers], lines, highest)


@dataclass(frozen=True)
class Histogram:
    """Bars of a histogram on a logarithmic scale: (x, height, count) each, and where the threshold stands, all in [0, 1]."""

    bars: list[tuple[float, float, int]]
    threshold: float | None
    low: float
    high: float


def histogram(row: Mapping[str, Any], threshold: float | None) -> Histogram:
    """Lay out a row of `activation_histograms` with T."""
    counts, low, high = row["counts"], row["low"], row["high"]
    highest = log1p(max(counts, default=0)) or 1.0
    bars = [(n / len(counts), log1p(count) / highest, count) for n, count in enumerate(counts)]
    place = (threshold - low) / (high - low) if threshold is not None and high > low else None
    return Histogram(bars, place, low, high)


def shares(groups: Groups) -> list[dict[str, Any]]:
    """Return how the detected concepts divide among categories, for a stacked bar: percent of all, most first."""
    total = sum(len(concepts) for _, concepts in groups)
    return [
        {"category": category, "concepts": len(concepts), "percent": 100 * len(concepts) / total}
        for category, concepts in groups
    ]


__all__ = ["Bar", "BarGraph", "Histogram", "Trend", "bar_graph", "histogram", "shares", "trend"]
