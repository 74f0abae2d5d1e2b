"""Single shapes on black whose form, size, angle, place and colour are drawn independently, after dSprites."""

import numpy as np
from numpy.typing import NDArray

from filterscope.pipeline.datasets.sample.dice import Dice

SIDE = 64
SHAPES = ("square", "ellipse", "heart", "triangle")
COLOURS = {
    "red": (230, 60, 50), "green": (60, 190, 80), "blue": (70, 100, 235), "yellow": (230, 210, 60), "white": (235, 235, 235),
}  # fmt: skip
#: Samples of a pixel across and down.
_SAMPLES = 4


def _inside(shape: str, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether points of a plane, v down, lie in a shape of about the width 2."""
    if shape == "square":
        return np.maximum(np.abs(u), np.abs(v)) < 0.8
    if shape == "ellipse":
        return u**2 + (v / 0.6) ** 2 < 1
    if shape == "triangle":
        return (v < 0.7) & (v > 1.75 * np.abs(u) - 1)
    height = -1.2 * v + 0.1
    return (u**2 * 1.2 + height**2 - 0.6) ** 3 < 1.2 * u**2 * height**3


def draw(dice: Dice) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """Draw a shape.

    Returns
    -------
    uint8 ndarray of shape (64, 64, 3)
        The picture.
    dict of str to str
        Its factors: shape, colour; scale, half its width in pixels; rotation in degrees, from 0 to 90; x and y in pixels.
    """
    shape, colour = SHAPES[dice.below(len(SHAPES))], list(COLOURS)[dice.below(len(COLOURS))]
    scale, rotation = dice.between(800, 1600) / 100, dice.between(0, 9000) / 100
    x, y = (31.5 + dice.between(-1200, 1200) / 100 for _ in range(2))
    at = (np.arange(SIDE * _SAMPLES) + 0.5) / _SAMPLES - 0.5
    right, down = (at[None, :] - x) / scale, (at[:, None] - y) / scale
    cos, sin = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
    covered = _inside(shape, cos * right + sin * down, cos * down - sin * right)
    share = covered.reshape(SIDE, _SAMPLES, SIDE, _SAMPLES).mean(axis=(1, 3))
    pixels = np.rint(share[..., None] * np.array(COLOURS[colour])).astype(np.uint8)
    numbers = {"scale": scale, "rotation": rotation, "x": x, "y": y}
    return pixels, {"shape": shape, "colour": colour, **{name: f"{value:g}" for name, value in numbers.items()}}


__all__ = ["COLOURS", "SHAPES", "SIDE", "draw"]
