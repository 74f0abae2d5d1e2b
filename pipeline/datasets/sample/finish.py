"""Light, rain, the softness of a lens, and the noise of a sensor. None of them moves a label."""

import numpy as np

from pipeline.datasets.sample.canvas import SIZE
from pipeline.datasets.sample.dice import Dice
from pipeline.datasets.sample.paint import unpack
from pipeline.datasets.sample.traits import TIME

#: Gain of red, green, blue at an hour, in 1/256.
_TINT = {"day": (256, 256, 256), "dusk": (258, 226, 204), "night": (210, 216, 248)}


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
    rgb = unpack(pixels).astype(np.int16)
    if attributes.get("weather") == "rain":
        _rain(rgb, dice)
    rgb = _soft(rgb)
    lit = rgb.astype(np.int32) * _gain(dice, _TINT[attributes.get(TIME, "day")]) >> 12
    return (lit + _noise(dice)).clip(0, 255).astype(np.uint8)


def _gain(dice: Dice, tint: tuple[int, int, int]) -> np.ndarray:
    """Return the gain of every pixel and channel, in 1/4096: an overall one, and a slope across the image."""
    base, across, along = dice.between(232, 270), dice.between(-30, 30), dice.between(-30, 30)
    place = np.arange(SIZE, dtype=np.int32) - SIZE // 2
    plane = base * 16 + (across * 16 * place[None] + along * 16 * place[:, None]) // SIZE
    return plane[..., None] * np.array(tint, dtype=np.int32) >> 8


def _soft(rgb: np.ndarray) -> np.ndarray:
    """Blur by (1 2 1)/4 along both axes."""
    for axis in (0, 1):
        rows = np.moveaxis(rgb, axis, 0)
        out = rows * 2
        out[1:] += rows[:-1]
        out[0] += rows[0]
        out[:-1] += rows[1:]
        out[-1] += rows[-1]
        rgb = np.moveaxis((out + 2) >> 2, 0, axis)
    return rgb


def _noise(dice: Dice) -> np.ndarray:
    """Return grain shared by the channels, from -3 to 3, most often 0."""
    strength = dice.between(0, 3)
    bits = dice.bytes(SIZE * SIZE).reshape(SIZE, SIZE, 1)
    wide = (bits & 15).astype(np.int32) + (bits >> 4) - 15
    return (wide * strength + 8) >> 4


def _rain(rgb: np.ndarray, dice: Dice) -> None:
    count, length = dice.between(60, 160), dice.between(7, 13)
    bits = dice.bytes(2 * count).astype(np.int64)
    down = np.arange(length)
    rows = bits[:count, None] * (SIZE - length) // 256 + down
    columns = (bits[count:, None] * SIZE // 256 - down // 4) % SIZE
    rgb[rows, columns] += (225 - rgb[rows, columns]) * 2 // 5
