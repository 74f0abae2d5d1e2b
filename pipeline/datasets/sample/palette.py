"""Shades of the 11 basic colours, each well inside the region that `operators.images.colors` gives that name."""

from itertools import pairwise

from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.paint import Color

SHADES: dict[str, tuple[Color, ...]] = {
    "black": ((26, 26, 30), (36, 33, 32), (20, 24, 32)),
    "blue": ((40, 92, 208), (58, 134, 224), (28, 62, 156), (92, 164, 232)),
    "brown": ((134, 84, 46), (112, 68, 40), (156, 104, 62), (92, 58, 36)),
    "green": ((52, 150, 66), (96, 178, 72), (36, 112, 56), (120, 196, 104)),
    "grey": ((128, 130, 132), (160, 160, 164), (98, 100, 104), (184, 186, 188)),
    "orange": ((244, 142, 36), (236, 120, 30), (250, 164, 60)),
    "pink": ((248, 160, 190), (244, 132, 178), (252, 186, 204)),
    "purple": ((134, 70, 178), (110, 56, 160), (160, 104, 204)),
    "red": ((214, 40, 44), (188, 28, 36), (230, 58, 54)),
    "white": ((240, 240, 238), (248, 247, 242), (232, 234, 238)),
    "yellow": ((246, 212, 50), (250, 226, 84), (236, 200, 36)),
}
WARM, COOL = ("red", "orange", "yellow"), ("blue", "green", "grey")
VIVID = ("blue", "green", "orange", "pink", "purple", "red", "white", "yellow")
SKIN: tuple[Color, ...] = ((244, 204, 176), (232, 184, 148), (190, 134, 96), (138, 90, 62), (104, 68, 48))


def shade(dice: Dice, *names: str) -> Color:
    """Return a shade of one of the named basic colours, or of any if none is named."""
    return dice.pick(SHADES[dice.pick(names or tuple(SHADES))])


def contrasting(dice: Dice, count: int) -> list[Color]:
    """Return shades of `count` different basic colours; two shades differ clearly in lightness."""
    while True:
        colors = [dice.pick(SHADES[name]) for name in dice.several(tuple(SHADES), count)]
        light = sorted(3 * red + 6 * green + blue for red, green, blue in colors)
        if min((b - a for a, b in pairwise(light)), default=999) > 600 // count:
            return colors
