"""Digit-like strokes, white on black, whose class, thickness, slant, width, height and place are drawn independently."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from filterscope.pipeline.datasets.sample.dice import Dice

SIDE = 32

Points = list[tuple[float, float]]


def _arc(x: float, y: float, across: float, up: float, start: int, stop: int) -> Points:
    """Return an arc of an ellipse as a line; degrees, 0 to the right and 90 down."""
    angles = np.deg2rad(np.linspace(start, stop, 25))
    return [(x + across * float(np.cos(a)), y + up * float(np.sin(a))) for a in angles]


#: Lines of each class in a square from -1 to 1, y down.
GLYPHS: dict[str, list[Points]] = {
    "0": [_arc(0, 0, 1, 1, 0, 360)],
    "1": [[(-0.6, -0.5), (0, -1), (0, 1)], [(-1, 1), (1, 1)]],
    "2": [[*_arc(0, -0.45, 1, 0.55, 180, 385), (-1, 1), (1, 1)]],
    "3": [_arc(-0.1, -0.5, 1.1, 0.5, 200, 450) + _arc(-0.1, 0.5, 1.1, 0.5, 270, 520)],
    "4": [[(0.4, 1), (0.4, -1), (-1, 0.4), (1, 0.4)]],
    "5": [[(1, -1), (-0.8, -1), (-0.9, -0.1), *_arc(-0.1, 0.35, 1.1, 0.65, 240, 510)]],
    "6": [[(0.7, -1), *_arc(0.4, 0.2, 1.4, 1.1, 250, 180), *_arc(0, 0.4, 1, 0.6, 180, 540)]],
    "7": [[(-1, -1), (1, -1), (-0.3, 1)]],
    "8": [_arc(0, -0.5, 0.8, 0.5, 90, 450), _arc(0, 0.5, 1, 0.5, 270, 630)],
    "9": [[*_arc(0, -0.4, 1, 0.6, 0, 360), (0.9, 1)]],
}


def draw(dice: Dice) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """Draw a stroke.

    Returns
    -------
    uint8 ndarray of shape (32, 32)
        The picture, grey by the distance to the line.
    dict of str to str
        Its factors: class; thickness, width, height, x and y in pixels; slant in radians, positive to the right.
    """
    name = str(dice.below(len(GLYPHS)))
    thickness, slant = dice.between(100, 400) / 100, dice.between(-500, 500) / 1000
    width, height = dice.between(600, 1400) / 100, dice.between(1000, 1800) / 100
    x, y = (15.5 + dice.between(-300, 300) / 100 for _ in range(2))
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    nearest = np.full((SIDE, SIDE), np.inf)
    for line in GLYPHS[name]:
        placed = [(x + u * width / 2 - np.tan(slant) * v * height / 2, y + v * height / 2) for u, v in line]
        for (x0, y0), (x1, y1) in pairwise(placed):
            along, down = x1 - x0, y1 - y0
            share = ((columns - x0) * along + (rows - y0) * down) / max(along**2 + down**2, 1e-12)
            share = share.clip(0, 1)
            nearest = np.minimum(nearest, np.hypot(columns - x0 - share * along, rows - y0 - share * down))
    ink = (thickness / 2 + 0.5 - nearest).clip(0, 1)
    factors = {"thickness": thickness, "slant": slant, "width": width, "height": height, "x": x, "y": y}
    return np.rint(255 * ink).astype(np.uint8), {"class": name, **{key: f"{value:g}" for key, value in factors.items()}}


__all__ = ["GLYPHS", "SIDE", "draw"]
