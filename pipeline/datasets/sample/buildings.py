"""Houses."""

from filterscope.pipeline.datasets.sample.canvas import Thing
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.materials import material
from filterscope.pipeline.datasets.sample.paint import Paint, flat, scaled, shaded
from filterscope.pipeline.datasets.sample.palette import SHADES, shade
from filterscope.pipeline.datasets.sample.shapes import box, ellipse, polygon
from filterscope.pipeline.datasets.sample.textures import textured
from filterscope.pipeline.datasets.sample.traits import TIME

PARTS = ("facade", "roof", "chimney", "door", "window")


def house(dice: Dice, traits: dict[str, str]) -> Thing:
    """Return a house seen from the front."""
    thing = Thing("house")
    wide, eaves = dice.between(380, 560), dice.between(520, 620)
    if dice.chance(0.75):
        x = dice.pick((-wide // 2, wide // 2))
        thing.add("chimney", box(x - 60, -960, x + 60, -640), material(dice, "brick", zoom=30))
    facade = _facade(dice)
    thing.add("facade", box(-wide, -eaves, wide, 0), facade)
    _roof(thing, dice, traits, wide, eaves)
    door = dice.pick((-wide // 2, 0, wide // 2))
    _door(thing, dice, door)
    _windows(thing, dice, traits, wide, eaves, door)
    return thing


def _facade(dice: Dice) -> Paint:
    kind = dice.below(10)
    if kind < 4:
        return material(dice, "brick", zoom=dice.between(25, 45))
    if kind < 6:
        return material(dice, "wood", zoom=70)
    if kind < 7:
        return textured(dice, dice.pick(("chequered", "zigzagged", "striped", "scaly")), percent=50)
    return shaded(shade(dice, "white", "yellow", "pink", "orange", "blue", "green"), 8)


def _roof(thing: Thing, dice: Dice, traits: dict[str, str], wide: int, eaves: int) -> None:
    color = dice.pick(SHADES[traits["roof colour"]])
    tiles = dice.chance(0.5)
    inks = (scaled(color, 112), scaled(color, 82))
    paint = textured(dice, "scaly", percent=60, colors=inks) if tiles else shaded(color)
    top = dice.pick((0, wide // 3, wide // 2))
    outline = polygon((-wide - 90, -eaves + 20), (-top, -1000), (top, -1000), (wide + 90, -eaves + 20))
    thing.add("roof", outline, paint, attribute=("roof colour", traits["roof colour"]))


def _door(thing: Thing, dice: Dice, x: int) -> None:
    wooden = dice.chance(0.5)
    thing.add("", box(x - 110, -360, x + 110, 0), flat((236, 232, 224)))
    paint = material(dice, "wood", zoom=60) if wooden else shaded(shade(dice, "blue", "green", "red", "brown", "black"))
    thing.add("door", box(x - 85, -335, x + 85, 0), paint)
    thing.add("", ellipse(x + 55, -160, 20, 20), flat(SHADES["yellow"][0]), within=("door",))


def _windows(thing: Thing, dice: Dice, traits: dict[str, str], wide: int, eaves: int, door: int) -> None:
    lit = traits[TIME] != "day" and dice.chance(0.8)
    glass = shaded((250, 222, 110) if lit else (128, 176, 216), 20)
    frame = flat(dice.pick(((244, 244, 240), (74, 56, 46), (236, 226, 200))))
    middle = -eaves * dice.between(52, 60) // 100
    places = [x for x in (-wide // 2, 0, wide // 2) if x != door]
    for x, side in zip(places, ("left", "right"), strict=True):
        thing.add("window", box(x - 105, middle - 105, x + 105, middle + 105), frame, landmark=f"{side} window")
        for dx in (-45, 45):
            thing.add("", box(x + dx - 38, middle - 85, x + dx + 38, middle + 85), glass, within=("window",))
