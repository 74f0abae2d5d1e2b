"""Textures named as in the Describable Textures Dataset (DTD), as patterns over the plane.

A pattern gives shades 0 to 255 (or truth values) at whole coordinates (u, v) that repeat, or look alike, every 256.

References
----------
Cimpoi et al., Describing Textures in the Wild, CVPR 2014: the names.
"""

import math
from collections.abc import Callable

import numpy as np

from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.paint import Color, Paint, patches, ramp, steps
from filterscope.pipeline.datasets.sample.palette import contrasting
from filterscope.pipeline.datasets.sample.shapes import ONE, TURN, cosine, sine

Pattern = Callable[[np.ndarray, np.ndarray], np.ndarray]

_ARCTANGENT = np.array([round(math.atan(k / 1024) * TURN / (2 * math.pi) * 16) for k in range(1025)], dtype=np.int32)


def _wave(u: np.ndarray) -> np.ndarray:
    """Rise from 0 to 255 and fall again over one period."""
    return np.minimum(u & 255, 255 - (u & 255)) * 2


def _centred(u: np.ndarray) -> np.ndarray:
    return (u & 255) - 128


def _hash(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return 30 random bits of each cell of the plane (arithmetic modulo 2^32)."""
    bits = u.astype(np.uint32) * np.uint32(73856093) ^ v.astype(np.uint32) * np.uint32(19349663)
    bits = (bits ^ (bits >> 13)) * np.uint32(1274126177)
    return ((bits ^ (bits >> 16)) >> 2).astype(np.int32)


def _angle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the direction of (u, v) in 1/16384 turns."""
    across, along = abs(u), abs(v)
    steep = along > across
    ratio = 1024 * np.where(steep, across, along) // np.maximum(1, np.where(steep, along, across))
    octant = _ARCTANGENT[ratio]
    quarter = np.where(steep, 4096 - octant, octant)
    half = np.where(u < 0, 8192 - quarter, quarter)
    return np.where(v < 0, 16384 - half, half) & 16383


def _radius(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # The square root of a float64 is exact to the last bit on every machine.
    return np.sqrt(u * u + v * v, dtype=np.float64).astype(np.int32)


def striped(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Equal straight stripes."""
    return (u & 128) > 0


def banded(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bands of several widths and shades."""
    edges = np.array([0] * 72 + [255] * 24 + [85] * 56 + [170] * 16 + [0] * 40 + [170] * 48, dtype=np.uint8)
    return edges[u & 255]


def lined(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Thin parallel lines."""
    return (u & 255) < 62


def chequered(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Squares in alternation."""
    return ((u ^ v) & 128) > 0


def grid(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Thin lines that cross at right angles."""
    return ((u & 255) < 52) | ((v & 255) < 52)


def zigzagged(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Stripes that turn to and fro."""
    return ((v + _wave(u) // 2) & 128) > 0


def dotted(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Small round dots in rows and columns."""
    return _centred(u) ** 2 + _centred(v) ** 2 < 66**2


def polka_dotted(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Large round dots, each row set off by half."""
    shifted = u + ((v >> 7) & 1) * 128
    return _centred(shifted) ** 2 + ((v & 127) - 64) ** 2 < 50**2


def honeycombed(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Walls of hexagonal cells."""
    even = _hexagon(_centred(u), (v + 222) % 443 - 222)
    odd = _hexagon(_centred(u + 128), v % 443 - 222)
    return np.minimum(even, odd) > 100


def _hexagon(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    across = abs(u)
    return np.maximum(across, (across + abs(v) * 1773 // 1024) // 2)


def crosshatched(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Two families of pencil lines, one denser."""
    return (((u + v) & 127) < 36) | (((u - v // 2) & 255) < 44)


def woven(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Strands over and under each other."""
    over = (((u >> 7) + (v >> 7)) & 1) > 0
    across, along = _wave(2 * u), _wave(2 * v)
    return np.where(over, across * 3 // 4 + 60 - along // 4, along * 3 // 4 - across // 5).clip(0, 255)


def waffled(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Square pits with sloping walls."""
    depth = np.maximum(abs(_centred(u)), abs(_centred(v)))
    return np.where(depth > 100, 255, depth * 2).clip(0, 255)


def scaly(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Rows of overlapping round scales."""
    row = v >> 7
    across = _centred(u + (row & 1) * 128)
    along = v & 127
    inside = across * across + along * along < 128 * 128
    shade = np.where(inside, across * across + along * along, (128 - abs(across)) ** 2 + (along - 128) ** 2)
    return np.minimum(255, shade // 72)


def spiralled(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Spirals, one a tile of six periods."""
    across, along = u % 1536 - 768, v % 1536 - 768
    return ((_radius(across, along) + _angle(across, along) // 64) & 128) > 0


def cobwebbed(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Spokes, and threads that sag between them."""
    angle, radius = _angle(u, v), _radius(u, v)
    side = angle % 1366
    sag = abs(side - 683)
    spokes = np.minimum(side, 1366 - side) * radius < 16384 * 9
    return spokes | (((radius - sag * radius // 4800) & 255) < 40)


def sprinkled(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Short bits of several shades scattered over a ground."""
    bits = _hash(u >> 8, v >> 8)
    across = _centred(u) - (bits & 63) + 32
    along = _centred(v) - (bits >> 6 & 63) + 32
    slope = (bits >> 12 & 3) - 1
    bar = abs(across + along * slope) + abs(along - across * slope) // 3 < 54
    return np.where(bar, 85 + (bits >> 16) % 3 * 85, 0)


def cracked(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Thin gaps between irregular plates."""
    nearest, second = _two_nearest(u, v)
    return second - nearest < 30


def crystalline(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Facets that are darker towards their borders."""
    nearest, second = _two_nearest(u, v)
    return np.minimum(255, (second - nearest) * 2)


def _two_nearest(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances to the two nearest of the points scattered one a cell."""
    rows, columns = v >> 8, u >> 8
    low_row, low_column = int(rows.min()) - 1, int(columns.min()) - 1
    all_rows, all_columns = np.arange(low_row, rows.max() + 2), np.arange(low_column, columns.max() + 2)
    bits = _hash(all_columns[None], all_rows[:, None])
    at_u, at_v = all_columns * 256 + 48 + (bits % 160), all_rows[:, None] * 256 + 48 + (bits >> 8) % 160
    cell = ((rows - low_row) * len(all_columns) + columns - low_column).astype(np.intp)
    nearest = np.full(u.shape, 1 << 30, dtype=np.int32)
    second = nearest
    for step in (i * len(all_columns) + j for i in (-1, 0, 1) for j in (-1, 0, 1)):
        across = u - at_u.astype(np.int32).ravel()[cell + step]
        along = v - at_v.astype(np.int32).ravel()[cell + step]
        distance = across * across + along * along
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    return np.sqrt(nearest, dtype=np.float64).astype(np.int32), np.sqrt(second, dtype=np.float64).astype(np.int32)


def marbled(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Veins that wander."""
    drift = patches(3)[(v >> 4) & 255, (u >> 4) & 255].astype(np.int32)
    vein = _wave(u // 2 + v // 6 + drift * 3)
    return 255 - (255 - vein) ** 2 // 255


def stained(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Blots with darker rims."""
    patch = patches(4)[(v >> 4) & 255, (u >> 4) & 255]
    return np.where(patch > 150, 200, np.where(patch > 136, 255, patch // 4))


#: Pattern of each texture, and the shortest and longest period in pixels that shows it.
TEXTURES: dict[str, tuple[Pattern, int, int]] = {
    "banded": (banded, 34, 64),
    "chequered": (chequered, 16, 44),
    "cobwebbed": (cobwebbed, 16, 26),
    "cracked": (cracked, 22, 44),
    "crosshatched": (crosshatched, 12, 22),
    "crystalline": (crystalline, 18, 40),
    "dotted": (dotted, 9, 15),
    "grid": (grid, 12, 26),
    "honeycombed": (honeycombed, 14, 28),
    "lined": (lined, 7, 13),
    "marbled": (marbled, 26, 52),
    "polka-dotted": (polka_dotted, 22, 44),
    "scaly": (scaly, 14, 28),
    "spiralled": (spiralled, 10, 20),
    "sprinkled": (sprinkled, 10, 18),
    "stained": (stained, 10, 20),
    "striped": (striped, 14, 32),
    "waffled": (waffled, 14, 28),
    "woven": (woven, 16, 32),
    "zigzagged": (zigzagged, 18, 34),
}
_LEVELS = {"banded": 4, "sprinkled": 4}
_DARK_INK = ("cracked", "stained")
_UNWORN = (
    *("cobwebbed", "cracked", "crosshatched", "crystalline", "dotted", "grid", "honeycombed", "marbled", "spiralled"),
    *("sprinkled", "stained", "waffled"),
)
_UPRIGHT = ("scaly", "waffled", "zigzagged")


def any_texture(dice: Dice) -> str:
    """Return the name of a texture; those that no thing wears come up three times as often, to be as frequent in the end."""
    return dice.pick((*TEXTURES, *_UNWORN, *_UNWORN))


def textured(dice: Dice, name: str, *, percent: int = 100, colors: tuple[Color, ...] = ()) -> Paint:
    """Return paint of a texture, at random angle, period and place.

    Parameters
    ----------
    dice : Dice
        Source of chance.
    name : str
        One of `TEXTURES`.
    percent : int
        Size of the pattern; below 100 for small surfaces.
    colors : tuple of colours
        Ground first; contrasting shades at random if empty.
    """
    pattern, shortest, longest = TEXTURES[name]
    period = max(7, dice.between(shortest, longest) * percent // 100)
    turn = dice.below(TURN) if name not in _UPRIGHT else dice.between(-60, 60)
    across, along = cosine(turn) * 256 // period, sine(turn) * 256 // period
    # A cobweb shows its middle; the other patterns look alike everywhere.
    far = 112 if name == "cobwebbed" else 4096
    x0, y0 = dice.between(112 - far // 2, 112 + far // 2), dice.between(112 - far // 2, 112 + far // 2)

    def field(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        right, down = (x - x0).astype(np.int64), (y - y0).astype(np.int64)
        u = ((right * across + down * along) // ONE).astype(np.int32)
        v = ((down * across - right * along) // ONE).astype(np.int32)
        shades = pattern(u, v)
        return shades * np.uint8(255) if shades.dtype == bool else shades

    levels = _LEVELS.get(name)
    inks = tuple(colors or contrasting(dice, levels or 2))
    if name in _DARK_INK:
        inks = tuple(sorted(inks, key=sum, reverse=True))
    return Paint(field, steps(*inks) if levels else ramp(*inks), ((name, "texture"),))
