"""Axes as numbers: round ticks, names that stay clear of each other, legends.

Lengths are pixels of a drawing at its natural size, in which text has `FONT` pixels; a plot's upper left corner is (0, 0) and
y grows downwards.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Height of text, and width of charts that need not grow with their content: what a phone shows without scrolling.
FONT, WIDTH = 11.5, 352

#: By how much texts below an axis are turned where they do not fit upright.
TURN = math.radians(40)
_LONGEST = 18


def text_width(text: str, size: float = FONT) -> float:
    """Return about how wide a text is, rather too wide than too narrow."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return size * (0.6 * (len(text) - wide) + 1.1 * wide)


def shortened(text: str, most: int = _LONGEST) -> str:
    """Return a text of at most so many characters, the last a … where some are left out."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def round_ticks(low: float, high: float, most: int = 5, *, whole: bool = False, inside: bool = False) -> list[float]:
    """Return evenly spaced multiples of 1, 2 or 5 times a power of ten that span [low, high].

    Parameters
    ----------
    low, high : float
        Finite; where they are equal, the ticks lead one step upwards.
    most : int
        Intervals between them at most.
    whole : bool
        Only whole numbers, as for counts.
    inside : bool
        Ticks within [low, high] instead of around it.
    """
    if high <= low:
        high = low + (abs(low) or 1.0)
    start = math.floor(math.log10((high - low) / most))
    for exponent in range(max(start, 0) if whole else start, 400):
        for mantissa in (1, 2, 5):
            # a step read from its decimal digits, and its multiples, are the nearest numbers there are
            a, b = (end / float(f"{mantissa}e{exponent}") for end in (low, high))
            first, last = (
                (math.ceil(a - 1e-9), math.floor(b + 1e-9)) if inside else (math.floor(a + 1e-9), math.ceil(b - 1e-9))
            )
            if last - first <= most:
                return [float(f"{n * mantissa}e{exponent}") for n in range(first, last + 1)]
    raise AssertionError((low, high))


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return 1, 2 and 5 times powers of ten within [low, high], both above 0; powers alone, or some of them, where too many."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in ((1, 2, 5), (1,)):
        found = [v for e in exponents for m in mantissas if low <= (v := float(f"{m}e{e}")) <= high]
        if len(found) <= most:
            return found
    return found[:: math.ceil(len(found) / most)]


def tick_texts(values: Sequence[float]) -> list[str]:
    """Write ticks with as many decimals as the smallest step between them needs; thousands as 20k, 3M or 4G."""
    largest = max(map(abs, values), default=0.0)
    if largest >= 1e13 or 0 < largest < 1e-4:
        return [f"{value:g}" for value in values]
    scale, letter = next((s for s in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if largest >= 10 * s[0]), (1.0, ""))
    known = [abs(value) for value in values if value] + [abs(b - a) for a, b in pairwise(values)]
    step = min((length for length in known if length), default=1.0) / scale
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{value / scale:,.{digits}f}{letter if value else ''}" for value in values]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Axis:
    """An axis: what it counts with its unit, its ticks, whether their texts are turned, and the room that they take."""

    title: str
    ticks: tuple[Tick, ...]
    turned: bool = False
    room: float = 18.0


def upward(values: Sequence[float], title: str, height: float, *, whole: bool) -> tuple[Axis, float, float]:
    """Return an axis from 0 or below to what all values are at most, and the numbers at its ends."""
    ticks = round_ticks(min([0.0, *values]), max([0.0, *values]), whole=whole)
    low, high = ticks[0], ticks[-1]
    marks = tuple(
        Tick(height * (high - v) / (high - low), text) for v, text in zip(ticks, tick_texts(ticks), strict=True)
    )
    return Axis(title, marks, room=max(text_width(mark.text) for mark in marks) + 14), low, high


def named_axis(names: Sequence[str], places: Sequence[float], title: str) -> Axis:
    """Return an axis of names at ascending places: upright where they fit, else turned; as many, from the last, as fit."""
    texts = [shortened(name) for name in names]
    gap = min((b - a for a, b in pairwise(places)), default=math.inf)
    widest = max(map(text_width, texts), default=0.0)
    turned = widest + 6 > gap
    every = math.ceil((FONT + 5) / gap) if turned and gap > 0 else 1
    kept = sorted(range(len(names) - 1, -1, -every))
    ticks = tuple(Tick(places[n], texts[n]) for n in kept)
    return Axis(title, ticks, turned, widest * math.sin(TURN) + 18 if turned else 18.0)


@dataclass(frozen=True)
class Key:
    """An entry of a legend."""

    x: float
    y: float
    text: str
    number: int


def legend(texts: Sequence[str], width: float, sample: float = 22) -> tuple[tuple[Key, ...], float]:
    """Lay out a legend in lines of a width, samples of `sample` pixels before its texts; return its entries and height."""
    x = y = 0.0
    keys = []
    for number, text in enumerate(texts):
        wide = sample + text_width(text) + 14
        if x and x + wide > width:
            x, y = 0.0, y + 17
        keys.append(Key(x, y, text, number))
        x += wide
    return tuple(keys), y + 17 if keys else 0.0


@dataclass(frozen=True)
class Box:
    """What a drawing shows: the corner of it that lies up and to the left of the plot, and its size."""

    x: float
    y: float
    width: float
    height: float


def apart(ticks: Sequence[Tick]) -> bool:
    """Tell whether the texts of ticks, centred below them, stay clear of each other."""
    return all(b.at - a.at >= (text_width(a.text) + text_width(b.text)) / 2 + 6 for a, b in pairwise(ticks))


__all__ = [
    "FONT",
    "TURN",
    "WIDTH",
    "Axis",
    "Box",
    "Key",
    "Tick",
    "apart",
    "legend",
    "log_ticks",
    "named_axis",
    "round_ticks",
    "shortened",
    "text_width",
    "tick_texts",
    "upward",
]  # fmt: skip
