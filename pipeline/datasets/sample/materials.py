"""Materials cut from the photographs that scikit-image carries, tinted, mirrored and shifted."""

from functools import cache

import numpy as np

from filterscope.pipeline.datasets.sample.canvas import SIZE
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.paint import Color, Paint, mixed, ramp, scaled

#: Photograph of skimage.data; the cut from it: top, left, height, width; and by how much it rises, in percent of the way right.
CUTS: dict[str, tuple[str, tuple[int, int, int, int], int]] = {
    "brick": ("brick", (0, 0, 512, 512), 0),
    "fabric": ("astronaut", (318, 66, 110, 58), 0),
    "fur": ("chelsea", (0, 105, 78, 120), 0),
    "grass": ("grass", (0, 0, 512, 512), 0),
    "gravel": ("gravel", (0, 0, 512, 512), 0),
    "hair": ("astronaut", (28, 195, 38, 75), 0),
    "wood": ("coffee", (346, 502, 54, 96), 88),
}
#: The cuts that are annotated; hair is a part of people.
MATERIALS = tuple(name for name in CUTS if name != "hair")

TINTS: dict[str, tuple[Color, ...]] = {
    "brick": ((168, 84, 62), (150, 74, 60), (178, 112, 78), (150, 140, 134)),
    "fabric": ((196, 60, 58), (64, 96, 178), (92, 150, 96), (222, 186, 80), (148, 96, 166), (206, 204, 198)),
    "fur": ((184, 138, 92), (142, 140, 142), (214, 150, 84), (92, 82, 78), (214, 206, 196)),
    "grass": ((98, 158, 66), (82, 138, 58), (126, 164, 70), (146, 158, 74)),
    "gravel": ((150, 148, 146), (132, 134, 140), (164, 150, 130)),
    "hair": ((58, 44, 36),),
    "wood": ((156, 102, 58), (126, 80, 46), (182, 130, 80)),
}


@cache
def photograph(name: str) -> np.ndarray:
    """Return the cut of a material in greys stretched to 0 to 255, mirrored so that it tiles: uint8 of shape (2h, 2w)."""
    from skimage import data

    source, (top, left, height, width), rise = CUTS[name]
    columns = np.arange(width)
    rows = top + np.arange(height)[:, None] - columns * rise // 100
    image = getattr(data, source)()[rows, left + columns].astype(np.int64)
    grey = image if image.ndim == 2 else (77 * image[..., 0] + 150 * image[..., 1] + 29 * image[..., 2]) // 256
    order = np.sort(grey, axis=None)
    low, high = order[order.size // 100], order[-order.size // 100]
    grey = ((grey - low) * 255 // (high - low)).clip(0, 255).astype(np.uint8)
    wide = np.concatenate([grey, grey[:, ::-1]], axis=1)
    return np.concatenate([wide, wide[::-1]])


def material(dice: Dice, name: str, *, tint: Color | None = None, zoom: int = 100) -> Paint:
    """Return paint of a material.

    Parameters
    ----------
    dice : Dice
        Source of chance.
    name : str
        One of `CUTS`.
    tint : colour, optional
        Its middle shade; one of `TINTS` by default.
    zoom : int
        Size of the grain in percent.
    """
    grain = photograph(name)
    height, width = grain.shape
    middle = tint or dice.pick(TINTS[name])
    # A cut that is larger than the canvas is laid so that its mirror image does not show.
    spare = (side // 2 - SIZE * 100 // zoom for side in grain.shape)
    top, left = (dice.below(room if room > 0 else side) for room, side in zip(spare, grain.shape, strict=True))
    across = dice.chance(0.25) or name == "brick"

    def field(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        rows, columns = (y * 100 // zoom + top) % height, (x * 100 // zoom + left) % width
        return grain[columns[0] % height][:, rows[:, 0] % width].T if across else grain[rows[:, 0]][:, columns[0]]

    shades = ramp(scaled(middle, 35), middle, mixed(middle, (255, 255, 255), 60))
    return Paint(field, shades, ((name, "material"),) if name in MATERIALS else ())
