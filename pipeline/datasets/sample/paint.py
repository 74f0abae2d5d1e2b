"""Paint: a field of shades 0 to 255 over the pixels, a ramp of colours, and the labels of what is painted."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from filterscope.pipeline.datasets.sample.dice import Dice

Color = tuple[int, int, int]
#: Name and category of a concept.
Label = tuple[str, str]
#: Shades (h, w) of the pixels of a row grid (h, 1) and a column grid (1, w); a plain 0 where the shade is one and the same.
Field = Callable[[np.ndarray, np.ndarray], "np.ndarray | int"]


def pack(colors: np.ndarray) -> np.ndarray:
    """Pack colours (uint8, shape (..., 3)) into little-endian uint32, red lowest."""
    wide = colors.astype("<u4")
    return wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16


def unpack(packed: np.ndarray) -> np.ndarray:
    """Undo `pack`: return uint8 of shape (..., 3)."""
    return packed.astype("<u4").view(np.uint8).reshape(*packed.shape, 4)[..., :3]


@dataclass(frozen=True)
class Paint:
    """What a surface looks like.

    Parameters
    ----------
    field : callable
        Shades of pixels, 0 to 255.
    ramp : ndarray of shape (256,), uint32
        Packed colour of each shade.
    labels : tuple of labels
        Texture and material of the paint.
    """

    field: Field
    ramp: np.ndarray
    labels: tuple[Label, ...] = ()

    def __call__(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return packed colours of pixels given by their rows (h, 1) and columns (1, w)."""
        return self.ramp[self.field(y, x)]


@lru_cache(maxsize=4096)
def ramp(*stops: Color) -> np.ndarray:
    """Return 256 packed colours that run evenly through the stops."""
    last = len(stops) - 1
    table = np.array([*stops, stops[-1]], dtype=np.int64)
    place = np.arange(256, dtype=np.int64) * last
    index, part = place // 255, (place % 255)[:, None]
    return pack((table[index] * (255 - part) + table[index + 1] * part) // 255)


@lru_cache(maxsize=4096)
def steps(*colors: Color) -> np.ndarray:
    """Return 256 packed colours in equal steps, one a colour."""
    return pack(np.array(colors, dtype=np.int64)[np.arange(256) * len(colors) // 256])


def scaled(color: Color, percent: int) -> Color:
    """Return a colour made lighter or darker."""
    red, green, blue = (min(255, channel * percent // 100) for channel in color)
    return red, green, blue


def mixed(first: Color, second: Color, percent: int) -> Color:
    """Return a colour between two, `percent` of the way to the second."""
    red, green, blue = (a + (b - a) * percent // 100 for a, b in zip(first, second, strict=True))
    return red, green, blue


def _nothing(y: np.ndarray, x: np.ndarray) -> int:
    return 0


def _falling(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return (y - y[0]) * 255 // max(1, y.shape[0])


def _slanted(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    height, width = max(1, y.shape[0]), max(1, x.shape[1])
    return (y - y[0]) * 127 // height + (x - x[0, 0]) * 127 // width


def flat(color: Color) -> Paint:
    """Return paint of one colour."""
    return Paint(_nothing, ramp(color, color))


def shaded(color: Color, depth: int = 16) -> Paint:
    """Return paint that runs from light at the top left to dark at the bottom right, `depth` percent each way."""
    return Paint(_slanted, ramp(scaled(color, 100 + depth), scaled(color, 100 - depth)))


def falling(*stops: Color) -> Paint:
    """Return paint that runs through the stops from top to bottom."""
    return Paint(_falling, ramp(*stops))


def mottled(dice: Dice, color: Color, depth: int = 14) -> Paint:
    """Return paint with soft patches up to `depth` percent lighter and darker."""
    dy, dx = dice.below(256), dice.below(256)
    shades = ramp(scaled(color, 100 - depth), scaled(color, 100 + depth))
    return Paint(lambda y, x: patches()[(y[:, 0] + dy) & 255][:, (x[0] + dx) & 255], shades)


@cache
def patches(octaves: int = 5) -> np.ndarray:
    """Return soft random patches that tile the plane, finer with more octaves: uint8 of shape (256, 256), from 0 to 255."""
    total = np.zeros((256, 256), dtype=np.int64)
    for octave, (cells, weight) in enumerate(((8, 8), (16, 5), (32, 3), (64, 2), (128, 2))[:octaves]):
        lattice = Dice(0, octave).bytes(cells * cells).reshape(cells, cells).astype(np.int64)
        total += weight * _smooth(_smooth(lattice, 256 // cells).T, 256 // cells).T
    total -= total.min()
    return (total * 255 // total.max()).astype(np.uint8)


def _smooth(lattice: np.ndarray, step: int) -> np.ndarray:
    # Cubic easing 3t^2 - 2t^3 between neighbours, in whole numbers of step^3.
    t = np.arange(step)
    ease = (3 * step - 2 * t) * t * t
    ahead = np.roll(lattice, -1, axis=0)
    rows = lattice[:, None] * (step**3 - ease)[:, None] + ahead[:, None] * ease[:, None]
    return rows.reshape(-1, *lattice.shape[1:]) // step**3
