"""Rooms."""

from filterscope.pipeline.datasets.sample.animals import cat
from filterscope.pipeline.datasets.sample.backdrops import mat, surface_of
from filterscope.pipeline.datasets.sample.canvas import SIZE
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.furniture import chair, lamp
from filterscope.pipeline.datasets.sample.materials import material
from filterscope.pipeline.datasets.sample.paint import Paint, mottled, shaded
from filterscope.pipeline.datasets.sample.palette import shade
from filterscope.pipeline.datasets.sample.shapes import box, polygon
from filterscope.pipeline.datasets.sample.stage import Stage
from filterscope.pipeline.datasets.sample.textures import any_texture, textured
from filterscope.pipeline.datasets.sample.vehicles import bicycle


def room(stage: Stage) -> None:
    """Paint a room with furniture."""
    dice, canvas = stage.dice, stage.canvas
    base = dice.between(140, 166)
    surface_of(canvas, "wall", box(0, 0, SIZE, base), _wall(dice))
    surface_of(canvas, "floor", box(0, base, SIZE, SIZE), _floor(dice))
    canvas.region(box(0, base - 6, SIZE, base), shaded((232, 228, 220)))
    if dice.chance(0.75):
        _painting(stage, base)
    if dice.chance(0.35):
        _curtain(stage, base)
    if dice.chance(0.65):
        outline = mat(dice.between(70, 154), (base + SIZE) // 2 + 6, dice.between(100, 170), dice.between(34, 50))
        rug = material(dice, "fabric", zoom=150) if dice.chance(0.25) else textured(dice, any_texture(dice))
        surface_of(canvas, "rug", outline, rug)
    for _ in range(dice.between(0, 2)):
        stage.put(chair(dice), dice.between(25, 199), dice.between(base + 10, 214), dice.between(82, 116))
    if dice.chance(0.65):
        stage.put(
            lamp(dice, lit=dice.chance(0.5)),
            dice.between(15, 209),
            dice.between(base + 6, base + 34),
            dice.between(104, 140),
            lean=2,
        )
    if dice.chance(0.5):
        stage.put(cat(dice), dice.between(30, 194), dice.between(base + 24, 218), dice.between(56, 92))
    if dice.chance(0.15):
        stage.put(bicycle(dice), dice.between(50, 174), dice.between(base + 4, base + 20), dice.between(70, 86), lean=4)
    stage.somebody(0.35)


def _wall(dice: Dice) -> Paint:
    kind = dice.below(10)
    if kind < 4:
        return textured(dice, any_texture(dice))
    if kind < 6:
        return material(dice, "brick", zoom=dice.between(40, 70))
    return mottled(dice, shade(dice, "white", "yellow", "green", "blue", "pink", "orange", "purple", "red"), 4)


def _floor(dice: Dice) -> Paint:
    kind = dice.below(10)
    if kind < 6:
        return material(dice, "wood", zoom=dice.between(80, 140))
    if kind < 8:
        return textured(dice, dice.pick(("chequered", "grid", "woven", "marbled", "cracked")))
    return mottled(dice, shade(dice, "brown", "grey", "green"), 6)


def _painting(stage: Stage, base: int) -> None:
    dice = stage.dice
    width, height = dice.between(40, 80), dice.between(34, 64)
    x, y = dice.between(8, SIZE - 8 - width), dice.between(12, max(13, base - height - 40))
    surface_of(
        stage.canvas,
        "painting",
        box(x, y, x + width, y + height),
        shaded(dice.pick(((120, 84, 44), (40, 38, 40), (214, 184, 96)))),
    )
    picture = textured(dice, any_texture(dice))
    surface_of(stage.canvas, "painting", box(x + 5, y + 5, x + width - 5, y + height - 5), picture)


def _curtain(stage: Stage, base: int) -> None:
    dice = stage.dice
    width, paint = dice.between(22, 44), material(dice, "fabric")
    left = dice.chance(0.5)
    outline = polygon((0, 0), (width, 0), (width * 3 // 4, base // 2), (width, base + 6), (0, base + 6))
    surface_of(
        stage.canvas, "curtain", outline if left else [contour * (-1, 1) + (SIZE, 0) for contour in outline], paint
    )
