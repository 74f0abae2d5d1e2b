"""Charts as numbers: where bars, lines, histograms, stacked bars and receptive fields of inline SVG go.

Why a module of our own: pages are static, so that they print, work from disk and need no script; every name on them is
escaped; colours follow the theme. Libraries that are small draw in the browser on a canvas, and those that write SVG here
write it with fonts and colours fixed. What is left is arithmetic, and this is it: macros of the same names in
``templates/charts.html`` print what stands here and compute nothing. For lengths see `axes`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from filterscope.jobs.report.render import kind
from filterscope.jobs.report.sections.axes import (
    FONT,
    TURN,
    WIDTH,
    Axis,
    Box,
    Key,
    Tick,
    apart,
    legend,
    log_ticks,
    named_axis,
    round_ticks,
    shortened,
    text_width,
    tick_texts,
    upward,
)

#: Marks of points around (0, 0), so that lines are told apart without their colour.
MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.5-3.5h7v7h-7z",
    "M0-4.5l4.5 8h-9z",
    "M0-5l5 5-5 5-5-5z",
    "M0 4.5l4.5-8h-9z",
    "M-4-1.5h2.5v-2.5h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5z",
)
#: Bars up to which every one is named; beyond, so many of each group are.
NAMED, FIRST = 160, 3
#: By how much their names are turned.
NAMES = math.radians(55)

Point = tuple[float, float]
Groups = Sequence[tuple[str, Sequence[tuple[str, int]]]]


@dataclass(frozen=True)
class Bar:
    """One concept: left, top and height of its bar, and its name as it is written below, empty where there is no room."""

    concept: str
    count: int
    x: float
    y: float
    height: float
    name: str


@dataclass(frozen=True)
class Group:
    """Bars of a category, and what is written above them."""

    category: str
    title: str
    x: float
    width: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Bars:
    """The bar graph of a dissection; bars are `thick` wide."""

    groups: tuple[Group, ...]
    y: Axis
    thick: float
    width: float
    height: float
    box: Box


def bar_graph(groups: Groups, height: float = 120, gap: float = 26) -> Bars:
    """Lay out the units of each concept, category by category (Bau et al. 2017, figure 6)."""
    counts = [count for _, concepts in groups for _, count in concepts]
    axis, _, top = upward(counts, "units", height, whole=True)
    widest = text_width(f"{max(counts, default=0):,}") + 3  # numbers above neighbours never touch
    pitch = max(17.0, widest, min(28.0, WIDTH / max(len(counts), 1)))
    x, laid = 6.0, []
    for category, concepts in groups:
        bars = []
        for n, (concept, count) in enumerate(concepts):
            name = shortened(concept) if len(counts) <= NAMED or n < FIRST else ""
            tall = height * count / top
            bars.append(Bar(concept, count, x + pitch * n, height - tall, tall, name))
        title = f"{category} {len(concepts):,}"
        width = max(pitch * len(bars), text_width(title, 12.5))
        laid.append(Group(category, title, x, width, tuple(bars)))
        x += width + gap
    named = [(text_width(bar.name), bar.x + pitch / 2) for group in laid for bar in group.bars]
    below = max((width for width, _ in named), default=0.0) * math.sin(NAMES) + 20
    left = max([axis.room + 16, *(width * math.cos(NAMES) - at for width, at in named)])
    end = max(x - gap, 40.0)
    return Bars(tuple(laid), axis, pitch - 4, end, height, Box(-left, -44.0, left + end + 10, 44 + height + below))


@dataclass(frozen=True)
class Line:
    """A line: what it is of, colour, mark and whether it is dashed, its values as text, and its points, None for no value.

    `band` is the outline of its interval as path data, empty where it has none.
    """

    name: str
    colour: str
    mark: str
    dashed: bool
    texts: tuple[str, ...]
    points: tuple[Point | None, ...]
    band: str = ""
    joined: bool = True

    @property
    def path(self) -> str:
        """Path data; the line is broken where a value is missing, and empty for points that have no order."""
        parts, pen = [], "M"
        if not self.joined:
            return ""
        for point in self.points:
            if point:
                parts.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
            pen = "L" if point else "M"
        return "".join(parts)


@dataclass(frozen=True)
class Series:
    """Values of a line: its name, a class of colour, the values and their texts, and whether it is what others are held to.

    `low` and `high` are the ends of an interval around each value; empty for none. Points that have no order are not joined.
    """

    name: str
    colour: str
    values: Sequence[float | None]
    texts: Sequence[str]
    dashed: bool = False
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    joined: bool = True


@dataclass(frozen=True)
class Lines:
    """Lines over one axis; `places` are the texts of all places to the right, of which some are ticks."""

    name: str
    x: Axis
    y: Axis
    places: tuple[str, ...]
    lines: tuple[Line, ...]
    keys: tuple[Key, ...]
    width: float
    height: float
    box: Box

    @property
    def said(self) -> str:
        """The chart in words."""
        start = f"{self.name}: " if self.name else ""
        over = f"{self.x.title} {', '.join(self.places)}"
        return start + "; ".join([over, *(f"{line.name} {', '.join(line.texts)}" for line in self.lines)])


def _lines(
    name: str, series: Sequence[Series], x: Axis, at: Sequence[float], places: Sequence[str], up: str, plot: Point
) -> Lines:
    width, height = plot
    held = [v for one in series for v in (*one.values, *one.low, *one.high)]
    finite = [v for v in held if v is not None and math.isfinite(v)]
    whole = all(v == int(v) for v in finite)
    y, low, high = upward(finite, up, height, whole=whole)

    def placed(values: Sequence[float | None]) -> tuple[Point | None, ...]:
        return tuple(
            (place, height * (high - v) / (high - low)) if v is not None and math.isfinite(v) else None
            for place, v in zip(at, values, strict=True)
        )

    drawn = []
    for number, one in enumerate(series):
        band = _outline([*placed(one.high), *placed(one.low)[::-1]]) if one.low else ""
        mark, texts = MARKS[number % len(MARKS)], tuple(one.texts)
        drawn.append(Line(one.name, one.colour, mark, one.dashed, texts, placed(one.values), band, one.joined))
    left = y.room + 16
    if x.turned:
        left = max([left, *(text_width(tick.text) * math.cos(TURN) - tick.at for tick in x.ticks)])
    elif x.ticks:
        left = max(left, text_width(x.ticks[0].text) / 2 - x.ticks[0].at)
    right = 12.0 if x.turned or not x.ticks else max(12.0, x.ticks[-1].at + text_width(x.ticks[-1].text) / 2 - width)
    keys, tall = legend(
        [f"{one.name} {one.texts[-1]}" if one.joined else one.name for one in series], left + width + right
    )
    below = x.room + 20
    box = Box(-left, -14.0, left + width + right, 14 + height + below + tall)
    keys = tuple(Key(key.x - left + 1, height + below + key.y + 6, key.text, key.number) for key in keys)
    return Lines(name, x, y, tuple(places), tuple(drawn), keys, width, height, box)


def _outline(points: Sequence[Point | None]) -> str:
    """Return a polygon as path data; empty where a point is missing."""
    known = [f"{point[0]:.1f} {point[1]:.1f}" for point in points if point]
    return f"M{'L'.join(known)}z" if len(known) == len(points) else ""


def trend(layers: Sequence[tuple[str, Mapping[str, int]]], height: float = 150) -> Lines:
    """Lay out how many concepts of each category the layers of a model detect, in the order given: one line per category."""
    categories = sorted(
        {category for _, counts in layers for category in counts}, key=lambda c: (-layers[-1][1].get(c, 0), c)
    )
    width = max(WIDTH - 64.0, 24.0 * (len(layers) - 1))
    at = [width * n / max(len(layers) - 1, 1) for n in range(len(layers))]
    names = [name for name, _ in layers]
    series = []
    for category in categories:
        counts = [found.get(category, 0) for _, found in layers]
        series.append(Series(category, kind(category), counts, [f"{count:,}" for count in counts]))
    return _lines("", series, named_axis(names, at, "layer"), at, names, "concepts", (width, height))


def lines(
    name: str,
    axis: str,
    places: Sequence[float],
    texts: Sequence[str],
    series: Sequence[Series],
    up: str = "",
    height: float = 130,
) -> Lines:
    """Lay out values over ascending numbers, which stand by their logarithm where the last is four times the first or more.

    Ticks stand at the numbers themselves where these are few and apart, else at round ones.
    """
    width = WIDTH - 76.0
    logarithmic = places[0] > 0 and places[-1] >= 4 * places[0]

    def at(value: float) -> float:
        a, b, c = (
            (math.log(v) for v in (places[0], value, places[-1])) if logarithmic else (places[0], value, places[-1])
        )
        return width * (b - a) / (c - a)

    ticks = [Tick(at(value), text) for value, text in zip(places, texts, strict=True)]
    if not apart(ticks):
        values = (log_ticks if logarithmic else _inside)(places[0], places[-1])
        ticks = [Tick(at(value), text) for value, text in zip(values, tick_texts(values), strict=True)]
    title = f"{axis} (log)" if logarithmic else axis
    return _lines(name, series, Axis(title, tuple(ticks)), [at(value) for value in places], texts, up, (width, height))


def _inside(low: float, high: float) -> list[float]:
    return round_ticks(low, high, inside=True)


@dataclass(frozen=True)
class Bin:
    """A bar of a histogram: left and top, width and height, whether it lies above T, and what it says."""

    x: float
    y: float
    width: float
    height: float
    above: bool
    text: str


@dataclass(frozen=True)
class Histogram:
    """A histogram with logarithmic heights, and where T stands, None where it is not among the values."""

    bins: tuple[Bin, ...]
    threshold: Tick | None
    x: Axis
    y: Axis
    width: float
    height: float
    box: Box

    @property
    def anchor(self) -> str:
        """How the text of T is anchored, so that it stays within the drawing."""
        if self.threshold is None:
            return ""
        half = text_width(self.threshold.text) / 2
        return "start" if self.threshold.at < half else "end" if self.threshold.at > self.width - half else "middle"


def histogram(row: Mapping[str, Any], threshold: float | None, height: float = 110) -> Histogram:
    """Lay out a row of `activation_histograms` with T; heights are log(1 + count)."""
    counts, low, high = row["counts"], row["low"], row["high"]
    highest, span = max([1, *counts]), high - low

    def tall(count: float) -> float:
        return height * math.log1p(count) / math.log1p(highest)

    decades = log_ticks(1, highest, 5) if highest >= 10 else round_ticks(1, highest, 4, whole=True, inside=True)
    values = [0.0, *(value for value in decades if value <= highest and tall(value) > FONT + 2)]
    marks = tuple(Tick(height - tall(value), tick_texts([value])[0]) for value in values)
    y = Axis("activations (log)", marks, room=max(text_width(mark.text) for mark in marks) + 14)
    left = y.room + 18
    width, ends = WIDTH - left - 12, [low + span * n / len(counts) for n in range(len(counts) + 1)]

    def at(value: float) -> float:
        return width * (value - low) / span if span > 0 else 0.0

    bins = tuple(
        Bin(
            width * n / len(counts),
            height - tall(count),
            max(width / len(counts) - 0.6, 0.4),
            tall(count),
            threshold is not None and ends[n] > threshold,
            f"{ends[n]:.4g} to {ends[n + 1]:.4g}: {count:,}",
        )
        for n, count in enumerate(counts)
        if count
    )
    values = round_ticks(low, high, inside=True) if span > 0 else [low]
    x = Axis("activation", tuple(Tick(at(v), text) for v, text in zip(values, tick_texts(values), strict=True)))
    known = threshold is not None and span > 0 and low <= threshold <= high
    line = Tick(at(threshold), f"T {threshold:.4g}") if known and threshold is not None else None
    return Histogram(bins, line, x, y, width, height, Box(-left, -22.0, left + width + 12, 22 + height + 38))


@dataclass(frozen=True)
class Share:
    """A part of a stacked bar: its category and number, and where it lies; `fits` tells whether its number fits above it."""

    category: str
    count: int
    x: float
    width: float
    fits: bool


@dataclass(frozen=True)
class Stacked:
    """A bar divided among categories, with its legend."""

    shares: tuple[Share, ...]
    keys: tuple[Key, ...]
    height: float
    box: Box

    @property
    def said(self) -> str:
        """The bar in words."""
        return ", ".join(f"{share.count:,} {share.category}" for share in self.shares)


def stacked(groups: Groups, height: float = 14, gap: float = 2, least: float = 4) -> Stacked:
    """Lay out how the detected concepts divide among categories; no part is narrower than `least`."""
    counts = [(category, len(concepts)) for category, concepts in groups]
    total = sum(count for _, count in counts) or 1
    free = WIDTH - gap * max(len(counts) - 1, 0) - least * len(counts)
    x, shares = 0.0, []
    for category, count in counts:
        width = least + free * count / total
        shares.append(Share(category, count, x, width, text_width(f"{count:,}") + 2 <= width))
        x += width + gap
    keys, tall = legend([f"{category} {count:,}" for category, count in counts], WIDTH, 16)
    keys = tuple(Key(key.x, key.y + height + 12, key.text, key.number) for key in keys)
    return Stacked(tuple(shares), keys, height, Box(0.0, -14.0, float(WIDTH), 14 + height + 12 + tall))


@dataclass(frozen=True)
class Field:
    """The input and receptive fields in it, to one scale: drawn pixels are `scale` times those of the input, which boxes count.

    Attributes
    ----------
    extent, theoretical, empirical : Box
        The input, and fields, which may leave it; None where there is none.
    said : str
        What one sees, in a sentence; empty where there is no field.
    """

    extent: Box
    theoretical: Box | None
    empirical: Box | None
    scale: float
    x: Axis
    bottom: float
    keys: tuple[tuple[str, Key], ...]
    box: Box
    said: str


def field(extent: Sequence[int], theoretical: Box | None, empirical: Box | None, longest: float = 190) -> Field:
    """Lay out fields in an input of `extent` rows and columns; the longest side of all is `longest` drawn pixels long."""
    height, width = extent
    shown = [box for box in (Box(0, 0, width, height), theoretical, empirical) if box]
    left, top = min(box.x for box in shown), min(box.y for box in shown)
    across = max(box.x + box.width for box in shown) - left
    down = max(box.y + box.height for box in shown) - top
    scale = longest / max(across, down)
    texts = {"input": f"input {height} × {width}"}
    if theoretical:
        texts["theoretical"] = f"theoretical {theoretical.height:.0f} × {theoretical.width:.0f}"
    if empirical:
        texts["empirical"] = f"empirical {empirical.height:.1f} × {empirical.width:.1f}"
    ticks = [tuple(Tick(v * scale, f"{v:,.0f}") for v in ends) for ends in ((0, width), (left, left + across))]
    x = Axis("input pixels", next((pair for pair in ticks if apart(pair)), ()))
    edge, bottom = left * scale, (top + down) * scale
    keys = tuple((kind, Key(edge + 1, bottom + 44 + 18 * n, text, n)) for n, (kind, text) in enumerate(texts.items()))
    wide = max([across * scale + 28, *(26 + text_width(text) for text in texts.values())])
    box = Box(edge - 12, top * scale - 6, wide, down * scale + 46 + 18 * len(texts))
    said = _seen(shown[0], theoretical) if theoretical else ""
    return Field(shown[0], theoretical, empirical, scale, x, bottom, keys, box, said)


def _seen(extent: Box, field: Box) -> str:
    over = [
        what for what, a, b in (("taller", field.height, extent.height), ("wider", field.width, extent.width)) if a > b
    ]
    size = f"{field.height:.0f} × {field.width:.0f} pixels"
    if len(over) == 2:
        return f"The theoretical field, {size}, is larger than the input: it can see the whole image and the padding around it."
    columns = min(field.x + field.width, extent.width) - max(field.x, 0)
    rows = min(field.y + field.height, extent.height) - max(field.y, 0)
    share = max(columns, 0) * max(rows, 0) / (extent.width * extent.height)
    part = f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"
    beyond = f" It is {over[0]} than the input." if over else ""
    return f"The middle position sees {size} at most, {part} of the input.{beyond}"


__all__ = [
    "MARKS", "Bars", "Field", "Histogram", "Lines", "Series", "Stacked", "bar_graph", "field", "histogram", "lines", "stacked",
    "trend",
]  # fmt: skip
