"""Scenes by and under the sea."""

from filterscope.pipeline.datasets.sample.animals import bird, fish
from filterscope.pipeline.datasets.sample.backdrops import mat, seaweed, surface_of
from filterscope.pipeline.datasets.sample.canvas import SIZE
from filterscope.pipeline.datasets.sample.furniture import chair, parasol
from filterscope.pipeline.datasets.sample.materials import material
from filterscope.pipeline.datasets.sample.paint import falling, flat, mottled
from filterscope.pipeline.datasets.sample.shapes import blob, box, ellipse, polygon, ring
from filterscope.pipeline.datasets.sample.stage import Stage
from filterscope.pipeline.datasets.sample.textures import textured
from filterscope.pipeline.datasets.sample.vehicles import boat


def seaside(stage: Stage) -> None:
    """Paint a beach, the sea, and boats on it."""
    dice, canvas = stage.dice, stage.canvas
    horizon, shore = dice.between(76, 104), dice.between(140, 172)
    stage.outdoors(horizon)
    deep = dice.pick(((28, 92, 170), (30, 120, 160), (52, 110, 190)))
    sea = surface_of(canvas, "sea", box(0, horizon, SIZE, shore + 12), falling(deep, (96, 176, 204)))
    for _ in range(dice.between(8, 20)):
        x, y, length = dice.below(SIZE), dice.between(horizon + 3, shore), dice.between(6, 22)
        canvas.fill(sea, ellipse(x, y, length, 1), flat((188, 220, 232)))
    border = polygon(
        (0, shore + dice.between(-8, 8)),
        (80, shore + dice.between(-6, 6)),
        (160, shore + dice.between(-6, 6)),
        (SIZE, shore + dice.between(-8, 8)),
        (SIZE, SIZE),
        (0, SIZE),
    )
    canvas.fill(sea, [contour - (0, 3) for contour in border], flat((232, 240, 242)))
    beach = material(dice, "gravel", zoom=50) if dice.chance(0.3) else mottled(dice, (230, 204, 146), 7)
    canvas.region(border, beach, *(() if beach.labels else (("sand", "object"),)))
    for _ in range(dice.between(0, 2)):
        y = dice.between(horizon + 8, shore - 6)
        stage.put(
            boat(dice),
            dice.between(30, 194),
            y,
            44 + (y - horizon) * 2 // 3 + dice.between(0, 18),
            lean=24,
            shadow=False,
        )
    stage.place()
    _beach_life(stage, shore)
    stage.birds(dice.below(3), 0, horizon + 20)
    stage.balloons(horizon, 0.12)
    stage.somebody(0.3)


def _beach_life(stage: Stage, shore: int) -> None:
    dice = stage.dice
    if dice.chance(0.5):
        pattern = textured(
            dice, dice.pick(("striped", "banded", "zigzagged", "honeycombed", "spiralled", "waffled", "grid"))
        )
        outline = mat(
            dice.between(40, 184), dice.between(shore + 18, 212), dice.between(60, 100), 26, dice.between(-14, 14)
        )
        surface_of(stage.canvas, "rug", outline, pattern)
    if dice.chance(0.55):
        stage.put(parasol(dice), dice.between(30, 194), dice.between(shore + 16, 214), dice.between(80, 116), lean=60)
    if dice.chance(0.3):
        stage.put(chair(dice), dice.between(30, 194), dice.between(shore + 20, 218), dice.between(50, 74))
    if dice.chance(0.35):
        stage.put(bird(dice, flying=False), dice.between(25, 199), dice.between(shore + 18, 216), dice.between(30, 46))


def underwater(stage: Stage) -> None:
    """Paint fishes among seaweed."""
    dice, canvas = stage.dice, stage.canvas
    light, dark = dice.pick(
        (((110, 204, 216), (16, 66, 116)), ((84, 176, 224), (12, 48, 110)), ((96, 200, 180), (10, 70, 90)))
    )
    bed = dice.between(172, 198)
    surface_of(canvas, "sea", box(0, 0, SIZE, SIZE), falling(light, dark))
    surface_of(
        canvas, "sand", [blob(dice, 112, SIZE + 14, 190, SIZE + 14 - bed, 4)[0]], mottled(dice, (206, 186, 138), 9)
    )
    for _ in range(dice.between(0, 3)):
        x, radius = dice.below(SIZE), dice.between(10, 30)
        rock = material(dice, "gravel", zoom=90) if dice.chance(0.4) else mottled(dice, (112, 112, 118), 18)
        surface_of(canvas, "rock", blob(dice, x, bed + 14, radius, radius * 3 // 4, 16), rock)
    for _ in range(dice.between(1, 3)):
        seaweed(canvas, dice, dice.below(SIZE), dice.between(bed + 6, 216), dice.between(40, 100))
    if dice.chance(0.15):
        stage.put(boat(dice), dice.between(50, 174), bed + 16, dice.between(80, 120), lean=90, shadow=False)
    for _ in range(dice.between(2, 5)):
        y = dice.between(50, bed)
        stage.put(fish(dice), dice.between(20, 204), y, dice.between(26, 68), lean=50, shadow=False)
    stage.place()
    for _ in range(dice.between(2, 9)):
        x, y, radius = dice.below(SIZE), dice.below(bed), dice.between(3, 6)
        canvas.fill(canvas.surface(), ring(x, y, radius, radius - 2), flat((206, 236, 244)))
