"""People, from the chest up, facing us."""

import numpy as np

from filterscope.pipeline.datasets.sample.canvas import Thing
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.materials import material
from filterscope.pipeline.datasets.sample.paint import Color, Paint, flat, scaled, shaded
from filterscope.pipeline.datasets.sample.palette import SKIN, VIVID, shade
from filterscope.pipeline.datasets.sample.shapes import TURN, blob, box, ellipse, polygon, stroke
from filterscope.pipeline.datasets.sample.textures import textured

PARTS = ("torso", "neck", "head", "hair", "ear", "eye", "eyebrow", "nose", "mouth")

_HAIR: dict[str, tuple[Color, ...]] = {
    "dark": ((48, 36, 30), (66, 46, 34), (34, 30, 32)),
    "fair": ((222, 178, 84), (200, 104, 48), (232, 200, 120)),
}


def person(dice: Dice, traits: dict[str, str]) -> Thing:
    """Return the head and shoulders of a person."""
    thing = Thing("person")
    skin, hair = dice.pick(SKIN), dice.pick(_HAIR[traits["hair"]])
    long = dice.chance(0.5)
    mane = material(dice, "hair", tint=hair, zoom=dice.between(90, 140))
    shown = ("hair", traits["hair"])
    if long:
        back = polygon((-290, -640), (-250, -900), (0, -990), (250, -900), (290, -640), (330, -300), (-330, -300))
        thing.add("hair", back, mane, within=("head",), landmark="", attribute=shown)
    shoulders = polygon(
        (-520, 0), (-480, -210), (-330, -310), (-120, -350), (120, -350), (330, -310), (480, -210), (520, 0)
    )
    thing.add("torso", shoulders, _clothes(dice))
    thing.add("neck", polygon((-105, -480), (105, -480), (125, -330), (0, -270), (-125, -330)), flat(scaled(skin, 84)))
    for side, name in ((-1, "left ear"), (1, "right ear")):
        thing.add("ear", ellipse(side * 225, -640, 48, 78), flat(scaled(skin, 90)), within=("head",), landmark=name)
    thing.add("head", ellipse(0, -650, 225, 285), shaded(skin, 9))
    _face(thing, dice, traits, skin, hair)
    _fringe(thing, dice, mane, shown)
    return thing


def _clothes(dice: Dice) -> Paint:
    kind = dice.below(10)
    if kind < 4:
        return textured(
            dice, dice.pick(("striped", "banded", "chequered", "dotted", "polka-dotted", "zigzagged", "lined"))
        )
    if kind < 8:
        return material(dice, "fabric")
    return shaded(shade(dice, *VIVID))


def _face(thing: Thing, dice: Dice, traits: dict[str, str], skin: Color, hair: Color) -> None:
    iris, brow = flat(dice.pick(((70, 110, 170), (96, 62, 40), (80, 130, 80)))), flat(scaled(hair, 80))
    for side, name in ((-1, "left"), (1, "right")):
        x = side * 95
        thing.add("eye", ellipse(x, -690, 56, 36), flat((248, 248, 246)), within=("head",), landmark=f"{name} eye")
        thing.add("", ellipse(x, -690, 28, 30), iris, within=("eye", "head"))
        thing.add("", ellipse(x, -690, 13, 13), flat((20, 20, 22)), within=("eye", "head"))
        lid = stroke(side * 42, -772, side * 150, -756, 24)
        thing.add("eyebrow", lid, brow, within=("head",), landmark=f"{name} eyebrow")
    thing.add(
        "nose",
        polygon((-14, -670), (14, -670), (48, -560), (0, -540), (-48, -560)),
        flat(scaled(skin, 86)),
        within=("head",),
    )
    smile = ("smiling", traits["smiling"])
    lips = flat((184, 62, 66))
    if traits["smiling"] == "yes":
        thing.add("mouth", ellipse(0, -500, 125, 82, stop=TURN // 2), lips, within=("head",), attribute=smile)
        thing.add("", box(-80, -499, 80, -474), flat((248, 246, 240)), within=("mouth", "head"))
    else:
        thing.add("mouth", box(-85, -484, 85, -456), lips, within=("head",), attribute=smile)


def _fringe(thing: Thing, dice: Dice, mane: Paint, shown: tuple[str, str]) -> None:
    top = ellipse(0, -690, 255, 275, start=TURN // 2, stop=TURN)[0]
    parting = dice.between(-120, 120)
    brow = polygon((200, -740), (parting, -850), (-200, -740))[0]
    thing.add("hair", [np.concatenate([top, brow])], mane, within=("head",), attribute=shown)
    if dice.chance(0.3):
        thing.add("", blob(dice, 0, -960, 110, 90, 8), mane, within=("hair", "head"))
