"""Scenes on land: street, meadow, night sky."""

from filterscope.pipeline.datasets.sample.animals import bird, cat
from filterscope.pipeline.datasets.sample.backdrops import hills, mat, surface_of
from filterscope.pipeline.datasets.sample.buildings import house
from filterscope.pipeline.datasets.sample.canvas import SIZE
from filterscope.pipeline.datasets.sample.furniture import street_lamp
from filterscope.pipeline.datasets.sample.materials import material
from filterscope.pipeline.datasets.sample.paint import flat, mottled
from filterscope.pipeline.datasets.sample.plants import flower, tree
from filterscope.pipeline.datasets.sample.shapes import box, polygon
from filterscope.pipeline.datasets.sample.stage import Stage
from filterscope.pipeline.datasets.sample.textures import textured
from filterscope.pipeline.datasets.sample.traits import TIME
from filterscope.pipeline.datasets.sample.vehicles import bicycle, car


def street(stage: Stage) -> None:
    """Paint houses along a road."""
    dice, canvas = stage.dice, stage.canvas
    horizon = dice.between(96, 122)
    stage.outdoors(horizon)
    paved = horizon + dice.between(12, 22)
    paving = (
        material(dice, "brick", tint=(160, 156, 150), zoom=30)
        if dice.chance(0.3)
        else mottled(dice, (172, 170, 166), 6)
    )
    surface_of(canvas, "pavement", box(0, horizon, SIZE, paved), paving)
    _road(stage, paved)
    x = dice.between(-10, 40)
    while x < SIZE + 20:
        size = dice.between(66, 108)
        if dice.chance(0.8):
            stage.put(house(dice, stage.traits), x, horizon + dice.between(2, 8), size, lean=0, shadow=False)
        else:
            stage.put(tree(dice, stage.traits), x, horizon + 6, size, lean=4)
        x += size + dice.between(8, 40)
    for _ in range(dice.between(0, 2)):
        stage.put(
            street_lamp(dice, lit=stage.traits[TIME] != "day"),
            dice.between(10, 214),
            paved - 3,
            dice.between(72, 100),
            lean=4,
        )
    _traffic(stage, paved)
    stage.birds(dice.below(2), 0, horizon - 30)
    stage.somebody(0.3)


def _road(stage: Stage, top: int) -> None:
    dice = stage.dice
    paint = (
        material(dice, "gravel", zoom=60)
        if dice.chance(0.25)
        else mottled(dice, dice.pick(((92, 94, 98), (112, 112, 114))), 8)
    )
    road = surface_of(stage.canvas, "road", box(0, top, SIZE, SIZE), paint)
    if not paint.labels:
        y, start = (top + SIZE) // 2 + dice.between(-6, 10), dice.between(-40, 0)
        for x in range(start, SIZE, 48):
            stage.canvas.fill(
                road, polygon((x, y), (x + 24, y), (x + 22, y + 4), (x - 3, y + 4)), flat((226, 224, 214))
            )


def _traffic(stage: Stage, top: int) -> None:
    dice = stage.dice
    lane = (SIZE - top) // 2
    for k in range(dice.between(0, 2)):
        y = top + lane * k + dice.between(lane * 2 // 3, lane)
        stage.put(car(dice, stage.traits), dice.between(30, 194), y, dice.between(30, 42) + lane * k // 4, lean=3)
    if dice.chance(0.3):
        stage.put(bicycle(dice), dice.between(25, 200), dice.between(top + 24, SIZE - 8), dice.between(42, 64), lean=8)
    if dice.chance(0.15):
        stage.put(cat(dice), dice.between(20, 204), dice.between(SIZE - 36, SIZE - 6), dice.between(44, 72))


def meadow(stage: Stage) -> None:
    """Paint grass with trees and flowers."""
    dice, canvas = stage.dice, stage.canvas
    horizon = dice.between(84, 124)
    stage.outdoors(horizon)
    if dice.chance(0.7):
        hills(canvas, dice, horizon, dice.pick(((104, 146, 96), (120, 132, 160), (140, 150, 90))))
    canvas.region(box(0, horizon, SIZE, SIZE), material(dice, "grass", zoom=dice.between(45, 90)))
    if dice.chance(0.3):
        x = dice.between(40, 184)
        far, near = dice.between(6, 14), dice.between(36, 70)
        path = polygon((x - far, horizon), (x + far, horizon), (112 + near, SIZE), (112 - near, SIZE))
        canvas.region(path, material(dice, "gravel", zoom=50))
    if dice.chance(0.35):
        pattern = textured(dice, dice.pick(("chequered", "striped", "grid", "crosshatched", "banded", "polka-dotted")))
        surface_of(
            canvas,
            "rug",
            mat(dice.between(50, 174), dice.between(170, 200), dice.between(80, 130), 40, dice.between(-12, 12)),
            pattern,
        )
    if dice.chance(0.4):
        stage.put(
            house(dice, stage.traits),
            dice.between(40, 184),
            horizon + dice.between(4, 16),
            dice.between(56, 84),
            lean=0,
        )
    for _ in range(dice.between(1, 3)):
        y = horizon + dice.between(4, 50)
        stage.put(tree(dice, stage.traits), dice.between(5, 219), y, 60 + y - horizon + dice.between(0, 30))
    _meadow_life(stage, horizon)
    stage.somebody(0.2)


def _meadow_life(stage: Stage, horizon: int) -> None:
    dice = stage.dice
    for _ in range(dice.between(0, 4)):
        y = dice.between(horizon + 56, SIZE + 8)
        stage.put(flower(dice), dice.between(8, 216), y, (y - horizon) // 2 + dice.between(6, 24), lean=30)
    if dice.chance(0.3):
        stage.put(cat(dice), dice.between(30, 194), dice.between(190, 220), dice.between(56, 90))
    if dice.chance(0.3):
        stage.put(bird(dice, flying=False), dice.between(25, 199), dice.between(180, 216), dice.between(32, 54))
    if dice.chance(0.25):
        stage.put(bicycle(dice), dice.between(30, 190), dice.between(170, 212), dice.between(48, 72), lean=8)
    stage.birds(dice.below(3), 0, horizon)
    stage.balloons(horizon, 0.3)


def night_sky(stage: Stage) -> None:
    """Paint stars over hills."""
    dice, canvas = stage.dice, stage.canvas
    stage.traits[TIME] = "night"
    horizon = dice.between(150, 190)
    stage.outdoors(horizon)
    hills(canvas, dice, horizon, (40, 52, 64))
    surface_of(canvas, "hill", box(0, horizon, SIZE, SIZE), mottled(dice, (34, 46, 44), 20))
    for _ in range(dice.between(0, 2)):
        stage.put(
            house(dice, stage.traits),
            dice.between(20, 204),
            dice.between(horizon + 6, 216),
            dice.between(44, 72),
            lean=0,
        )
    for _ in range(dice.between(0, 2)):
        stage.put(tree(dice, stage.traits), dice.between(10, 214), dice.between(horizon, 222), dice.between(50, 96))
    if dice.chance(0.3):
        stage.put(
            street_lamp(dice, lit=True),
            dice.between(12, 212),
            dice.between(horizon + 10, 220),
            dice.between(80, 120),
            lean=4,
        )
    stage.balloons(horizon - 10, 0.6)
    stage.birds(dice.below(2), 0, horizon - 40)
