"""Outlines of things, in whole numbers.

An outline is a list of contours; a contour is an int64 array of shape (N, 2) of points (x, y), y downwards. Angles are in
1/1024 turns, clockwise on the screen. Sines are rounded to 1/16384, so that no machine rounds a point differently.
"""

import math
from functools import lru_cache

import numpy as np

from filterscope.pipeline.datasets.sample.dice import Dice

TURN = 1024
ONE = 1 << 14
Outline = list[np.ndarray]

_SINES = [round(math.sin(2 * math.pi * angle / TURN) * ONE) for angle in range(TURN)]
_SINE_TABLE = np.array(_SINES, dtype=np.int64)


def sine(angle: int) -> int:
    """Return the sine of an angle, times `ONE`."""
    return _SINES[angle % TURN]


def cosine(angle: int) -> int:
    """Return the cosine of an angle, times `ONE`."""
    return _SINES[(angle + TURN // 4) % TURN]


def polygon(*points: tuple[int, int]) -> Outline:
    """Return the outline through the points."""
    return [np.array(points, dtype=np.int64)]


def box(x0: int, y0: int, x1: int, y1: int) -> Outline:
    """Return a rectangle."""
    return polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))


@lru_cache(maxsize=4096)
def ellipse(x: int, y: int, rx: int, ry: int, *, tilt: int = 0, start: int = 0, stop: int = TURN) -> Outline:
    """Return an ellipse around (x, y), or the segment of it from one angle to another. Not to be changed in place."""
    count = max(8, 28 * (stop - start) // TURN)
    angles = start + (stop - start) * np.arange(count + (stop - start < TURN), dtype=np.int64) // count
    across = rx * _SINE_TABLE[(angles + TURN // 4) % TURN] // ONE
    along = ry * _SINE_TABLE[angles % TURN] // ONE
    return turned([np.stack([across + x, along + y], 1)], tilt, (x, y))


def ring(x: int, y: int, outer: int, inner: int) -> Outline:
    """Return a circle with a round hole."""
    return ellipse(x, y, outer, outer) + ellipse(x, y, inner, inner)


def stroke(x0: int, y0: int, x1: int, y1: int, width: int) -> Outline:
    """Return a straight bar of some width from one point to another."""
    dx, dy = x1 - x0, y1 - y0
    length = max(1, math.isqrt(dx * dx + dy * dy))
    nx, ny = -dy * width // (2 * length), dx * width // (2 * length)
    return polygon((x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny))


def arc(x: int, y: int, rx: int, ry: int, start: int, stop: int, width: int) -> Outline:
    """Return a bent bar of some width along an ellipse."""
    half = width // 2
    outer = ellipse(x, y, rx + half, ry + half, start=start, stop=stop)[0]
    inner = ellipse(x, y, rx - half, ry - half, start=start, stop=stop)[0]
    return [np.concatenate([outer, inner[::-1]])]


def blob(dice: Dice, x: int, y: int, rx: int, ry: int, roughness: int = 12) -> Outline:
    """Return an ellipse whose border is moved at random by up to `roughness` percent."""
    round_ = ellipse(x, y, rx, ry)[0]
    scale = np.array([100 + dice.between(-roughness, roughness) for _ in round_], dtype=np.int64)
    return [(round_ - (x, y)) * scale[:, None] // 100 + (x, y)]


def star(x: int, y: int, outer: int, inner: int, points: int) -> Outline:
    """Return a star of some points."""
    angles = TURN * np.arange(2 * points, dtype=np.int64) // (2 * points) - TURN // 4
    radius = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    across = radius * _SINE_TABLE[(angles + TURN // 4) % TURN] // ONE
    return [np.stack([across + x, radius * _SINE_TABLE[angles % TURN] // ONE + y], 1)]


def turned(outline: Outline, angle: int, about: tuple[int, int] = (0, 0)) -> Outline:
    """Return an outline turned about a point."""
    if angle % TURN == 0:
        return outline
    s, c = sine(angle), cosine(angle)
    return [_turn(contour - about, s, c) + about for contour in outline]


def _turn(points: np.ndarray, s: int, c: int) -> np.ndarray:
    x, y = points[:, 0], points[:, 1]
    return np.stack([(x * c - y * s) // ONE, (x * s + y * c) // ONE], 1)


def centre(outline: Outline) -> tuple[int, int]:
    """Return the middle of the box around an outline."""
    points = np.concatenate(outline)
    low, high = points.min(0), points.max(0)
    return int(low[0] + high[0]) // 2, int(low[1] + high[1]) // 2
