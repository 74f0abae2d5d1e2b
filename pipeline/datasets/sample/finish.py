"""Light, rain, the softness of a lens, and the noise of a sensor. None of them moves a label."""

import numpy as np
from numba import njit

from filterscope.pipeline.datasets.sample.canvas import SIZE
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.paint import unpack
from filterscope.pipeline.datasets.sample.traits import TIME

#: Gain of red, green, blue at an hour, in 1/256.
_TINT = {"day": (256, 256, 256), "dusk": (258, 226, 204), "night": (210, 216, 248)}


@njit(cache=True, nogil=True)
def _expose(
    rgb: np.ndarray, gain: tuple[int, int, int], tint: tuple[int, int, int], grain: np.ndarray, out: np.ndarray
) -> None:
    """Blur by (1 2 1)/4 along both axes, multiply by a gain that slopes across the image, and add grain."""
    rows, columns = rgb.shape[:2]
    base, across, along = gain
    for r in range(rows):
        up, down = max(r - 1, 0), min(r + 1, rows - 1)
        for c in range(columns):
            left, right = max(c - 1, 0), min(c + 1, columns - 1)
            plane = base * 16 + 16 * (across * (c - columns // 2) + along * (r - rows // 2)) // rows
            for k in range(3):
                above = np.int64(rgb[up, left, k]) + 2 * np.int64(rgb[up, c, k]) + np.int64(rgb[up, right, k])
                level = np.int64(rgb[r, left, k]) + 2 * np.int64(rgb[r, c, k]) + np.int64(rgb[r, right, k])
                below = np.int64(rgb[down, left, k]) + 2 * np.int64(rgb[down, c, k]) + np.int64(rgb[down, right, k])
                lit = (above + 2 * level + below) * (plane * tint[k] >> 8) >> 16
                out[r, c, k] = min(max(lit + grain[r, c], 0), 255)


def photographed(pixels: np.ndarray, dice: Dice, attributes: dict[str, str]) -> np.ndarray:
    """Return the picture as a camera sees it.

    Parameters
    ----------
    pixels : ndarray of shape (SIZE, SIZE), uint32
        Packed colours.
    dice : Dice
        Source of chance.
    attributes : dict
        Properties of the image; hour and weather are looked at.

    Returns
    -------
    ndarray of shape (SIZE, SIZE, 3), uint8
        Red, green, blue.
    """
    rgb = unpack(pixels)
    if attributes.get("weather") == "rain":
        rgb = _rain(rgb, dice)
    # Gain in 1/256: an overall one, and a slope from side to side and from top to bottom.
    gain = dice.between(232, 270), dice.between(-30, 30), dice.between(-30, 30)
    out = np.empty((SIZE, SIZE, 3), dtype=np.uint8)
    _expose(rgb, gain, _TINT[attributes.get(TIME, "day")], _grain(dice), out)
    return out


def _grain(dice: Dice) -> np.ndarray:
    """Return noise shared by the channels, from -3 to 3, most often 0."""
    strength = dice.between(0, 3)
    bits = dice.bytes(SIZE * SIZE).reshape(SIZE, SIZE)
    wide = (bits & 15).astype(np.int16) + (bits >> 4) - 15
    return (wide * strength + 8) >> 4


def _rain(rgb: np.ndarray, dice: Dice) -> np.ndarray:
    """Return the picture with streaks of rain."""
    count, length = dice.between(60, 160), dice.between(7, 13)
    bits = dice.bytes(2 * count).astype(np.int64)
    down = np.arange(length)
    rows = bits[:count, None] * (SIZE - length) // 256 + down
    columns = (bits[count:, None] * SIZE // 256 - down // 4) % SIZE
    wet = rgb.copy()
    wet[rows, columns] = (rgb[rows, columns].astype(np.int16) * 3 + 450) // 5
    return wet
