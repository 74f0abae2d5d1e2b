"""Chairs, lamps and parasols."""

from filterscope.pipeline.datasets.sample.canvas import Thing
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.materials import material
from filterscope.pipeline.datasets.sample.paint import flat, scaled, shaded
from filterscope.pipeline.datasets.sample.palette import VIVID, contrasting, shade
from filterscope.pipeline.datasets.sample.shapes import TURN, box, ellipse, polygon, stroke
from filterscope.pipeline.datasets.sample.textures import textured

CHAIR = ("seat", "backrest", "chair leg")
LAMP = ("lampshade", "pole", "lamp base")
PARASOL = ("canopy", "pole")


def chair(dice: Dice) -> Thing:
    """Return a chair, a little from its side."""
    thing = Thing("chair")
    wooden = dice.chance(0.6)
    color = shade(dice, "brown", "white", "black", "red", "blue", "yellow")
    frame = material(dice, "wood", zoom=70) if wooden else shaded(color)
    for x, y, name in ((-130, -60, "back left chair leg"), (330, -60, "back right chair leg")):
        thing.add("chair leg", box(x - 28, -480, x + 28, y), frame, landmark=name)
    for x in (-130, 330):
        thing.add("backrest", box(x - 30, -1000, x + 30, -480), frame, landmark="")
    cushioned = dice.chance(0.5)
    back = textured(dice, dice.pick(("striped", "lined", "crosshatched", "woven")), percent=60) if cushioned else frame
    thing.add("backrest", box(-130, -980, 330, -640), back)
    for x, name in ((-250, "front left chair leg"), (210, "front right chair leg")):
        thing.add("chair leg", box(x - 30, -420, x + 30, 0), frame, landmark=name)
    soft = material(dice, "fabric") if dice.chance(0.5) else frame
    thing.add("seat", polygon((-160, -520), (370, -520), (270, -390), (-300, -390)), soft)
    thing.add(
        "", polygon((-300, -390), (270, -390), (270, -350), (-300, -350)), flat(scaled(color, 60)), within=("seat",)
    )
    return thing


def lamp(dice: Dice, *, lit: bool) -> Thing:
    """Return a standing lamp."""
    thing = Thing("lamp")
    metal = shaded(dice.pick(((60, 60, 66), (156, 120, 60), (150, 152, 156))))
    thing.add("lamp base", ellipse(0, -25, 150, 30), metal)
    thing.add("pole", box(-18, -760, 18, -30), metal)
    color = (252, 226, 120) if lit else shade(dice, "white", "grey", "red", "green", "blue", "purple")
    patterned = not lit and dice.chance(0.4)
    shell = textured(dice, dice.pick(("lined", "dotted", "zigzagged")), percent=60) if patterned else shaded(color, 8)
    thing.add("lampshade", polygon((-120, -1000), (120, -1000), (230, -690), (-230, -690)), shell)
    return thing


def street_lamp(dice: Dice, *, lit: bool) -> Thing:
    """Return a lamp post."""
    thing = Thing("lamp")
    metal = shaded(dice.pick(((44, 48, 52), (70, 84, 74), (92, 94, 98))))
    thing.add("lamp base", polygon((-50, 0), (-34, -110), (34, -110), (50, 0)), metal)
    thing.add("pole", box(-15, -850, 15, -100), metal)
    glass = shaded((254, 238, 150) if lit else (206, 216, 220), 8)
    thing.add("lampshade", polygon((-45, -850), (45, -850), (72, -965), (-72, -965)), glass)
    thing.add("", polygon((-88, -960), (0, -1010), (88, -960)), metal, within=("lampshade",))
    return thing


def parasol(dice: Dice) -> Thing:
    """Return a parasol of two colours."""
    thing = Thing("parasol")
    thing.add("pole", box(-16, -960, 16, 0), shaded((226, 220, 206)))
    first, second = contrasting(dice, 2) if dice.chance(0.5) else (shade(dice, *VIVID), (246, 244, 238))
    thing.add("canopy", ellipse(0, -620, 620, 360, start=TURN // 2, stop=TURN), shaded(first, 12))
    for half in (400, 160):
        paint = shaded(second if half == 400 else first, 10)
        thing.add("", ellipse(0, -620, half, 360, start=TURN // 2, stop=TURN), paint, within=("canopy",))
    thing.add("", stroke(0, -1010, 0, -960, 30), flat((90, 74, 60)), within=("canopy",))
    return thing
