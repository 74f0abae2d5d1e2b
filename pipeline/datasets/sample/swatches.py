"""Images of nothing but surfaces: one texture or material that fills the image, or a few side by side."""

import dataclasses

from filterscope.pipeline.datasets.sample.canvas import SIZE, Canvas
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.materials import MATERIALS, material
from filterscope.pipeline.datasets.sample.paint import Paint
from filterscope.pipeline.datasets.sample.shapes import box, polygon
from filterscope.pipeline.datasets.sample.textures import any_texture, textured


def swatch(canvas: Canvas, dice: Dice) -> None:
    """Fill the image with one paint, which labels the whole image."""
    paint = _any_paint(dice, dice.between(100, 180))
    canvas.labels.extend(paint.labels)
    canvas.region(box(0, 0, SIZE, SIZE), dataclasses.replace(paint, labels=()))


def collage(canvas: Canvas, dice: Dice) -> None:
    """Cut the image by one or two straight lines into areas of different paints, each labelled."""
    canvas.region(box(0, 0, SIZE, SIZE), _any_paint(dice, 110))
    first, second = dice.between(60, 164), dice.between(60, 164)
    canvas.region(polygon((first, 0), (SIZE, 0), (SIZE, SIZE), (second, SIZE)), _any_paint(dice, 110))
    if dice.chance(0.5):
        left, right = dice.between(80, 180), dice.between(80, 180)
        canvas.region(polygon((0, left), (SIZE, right), (SIZE, SIZE), (0, SIZE)), _any_paint(dice, 110))


def _any_paint(dice: Dice, percent: int) -> Paint:
    if dice.chance(0.15):
        return material(dice, dice.pick(MATERIALS), zoom=percent)
    return textured(dice, any_texture(dice), percent=percent)
