"""Cars, bicycles, boats and balloons. Those with a front face right."""

import numpy as np

from filterscope.pipeline.datasets.sample.canvas import Thing
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.materials import material
from filterscope.pipeline.datasets.sample.paint import Color, Paint, flat, scaled, shaded
from filterscope.pipeline.datasets.sample.palette import COOL, SHADES, VIVID, WARM, shade
from filterscope.pipeline.datasets.sample.shapes import (
    ONE,
    TURN,
    Outline,
    box,
    cosine,
    ellipse,
    polygon,
    ring,
    sine,
    stroke,
)
from filterscope.pipeline.datasets.sample.textures import textured
from filterscope.pipeline.datasets.sample.traits import TIME

CAR = ("car body", "car window", "wheel", "headlight")
BICYCLE = ("wheel", "frame", "saddle", "handlebar")
BOAT = ("hull", "mast", "sail", "flag")
BALLOON = ("envelope", "basket")


def car(dice: Dice, traits: dict[str, str]) -> Thing:
    """Return a car seen from its side."""
    thing = Thing("car")
    color = shade(dice, *(WARM if traits["car colour"] == "warm" else COOL))
    back, front = dice.pick(((-760, 640), (-1080, 640), (-700, 500)))
    body = polygon(
        *((-1240, -230), (-1240, -520), (-1160, -610), (back, -640), (back + 220, -980), (front - 320, -1000)),
        *((front, -640), (1120, -560), (1240, -460), (1250, -230)),
    )
    thing.add("car body", body, shaded(color, 18), attribute=("car colour", traits["car colour"]))
    glass = shaded((196, 222, 236) if traits[TIME] == "day" else (86, 104, 130), 14)
    middle = (back + front) // 2 - 60
    rear = polygon((back + 90, -650), (back + 265, -920), (middle - 40, -930), (middle - 40, -650))
    ahead = polygon((middle + 40, -650), (middle + 40, -930), (front - 350, -940), (front - 80, -650))
    thing.add("car window", rear, glass, landmark="rear car window")
    thing.add("car window", ahead, glass, landmark="front car window")
    dark = flat(scaled(color, 62))
    thing.add("", stroke(middle, -630, middle, -260, 22), dark, within=("car body",))
    thing.add("", box(middle - 190, -540, middle - 70, -510), dark, within=("car body",))
    thing.add("", box(-1270, -300, 1280, -220), shaded((112, 114, 120)), within=("car body",))
    thing.add("headlight", ellipse(1160, -450, 80, 70), shaded((252, 240, 150), 8))
    thing.add("", box(-1250, -520, -1170, -400), flat(SHADES["red"][1]), within=("car body",))
    for x, side in ((-760, "rear"), (760, "front")):
        _tyre(thing, x, f"{side} wheel")
    return thing


def _tyre(thing: Thing, x: int, landmark: str) -> None:
    thing.add("wheel", ellipse(x, -230, 235, 235), flat((30, 30, 34)), landmark=landmark)
    thing.add("", ellipse(x, -230, 125, 125), shaded((176, 178, 184)), within=("wheel",))
    thing.add("", ellipse(x, -230, 45, 45), flat((90, 92, 98)), within=("wheel",))


def bicycle(dice: Dice) -> Thing:
    """Return a bicycle seen from its side."""
    thing = Thing("bicycle")
    paint = shaded(shade(dice, "red", "blue", "green", "orange", "purple", "yellow"))
    for x, side in ((-560, "rear"), (560, "front")):
        _spoked(thing, x, f"{side} wheel")
    pedals, seat, head = (-60, -330), (-250, -820), (400, -820)
    for k, (start, end) in enumerate(
        (
            ((-560, -360), pedals),
            ((-560, -360), seat),
            (pedals, seat),
            (pedals, head),
            (seat, head),
            ((560, -360), head),
        )
    ):
        landmark = "frame" if k == 3 else ""
        thing.add("frame", stroke(*start, *end, 62), paint, landmark=landmark)
    thing.add("", ellipse(*pedals, 90, 90), flat((60, 60, 64)), within=("frame",))
    thing.add(
        "saddle", polygon((-420, -900), (-120, -890), (-130, -840), (-300, -810), (-420, -840)), flat((44, 36, 34))
    )
    thing.add("", stroke(400, -820, 370, -980, 56), paint, within=("frame",))
    bar = polygon((290, -1000), (400, -1010), (520, -960), (500, -900), (400, -940), (290, -930))
    thing.add("handlebar", bar, flat((56, 58, 64)))
    return thing


def _spoked(thing: Thing, x: int, landmark: str) -> None:
    # The tyre's own outline has its middle in the hole; the hub makes that pixel part of the wheel.
    thing.add("wheel", ring(x, -360, 360, 290), flat((34, 34, 38)), landmark=landmark)
    for angle in range(0, TURN // 2, TURN // 10):
        dx, dy = 300 * cosine(angle) // ONE, 300 * sine(angle) // ONE
        thing.add("", stroke(x - dx, -360 - dy, x + dx, -360 + dy, 16), flat((168, 170, 176)), within=("wheel",))
    thing.add("", ellipse(x, -360, 50, 50), flat((96, 98, 104)), within=("wheel",))


def boat(dice: Dice) -> Thing:
    """Return a sailing boat."""
    thing = Thing("boat")
    thing.add("mast", box(-22, -980, 22, -200), shaded((120, 84, 54)))
    thing.add("sail", polygon((45, -940), (45, -270), (520, -270)), _sail(dice), landmark="main sail")
    thing.add("sail", polygon((-45, -880), (-45, -270), (-400, -270)), _sail(dice), landmark="front sail")
    thing.add("flag", polygon((20, -1000), (230, -950), (20, -890)), flat(shade(dice, *VIVID)))
    wooden = dice.chance(0.5)
    color = shade(dice, "red", "blue", "green", "black", "white", "orange")
    hull = polygon((-560, -210), (640, -210), (460, 0), (-420, 0))
    thing.add("hull", hull, material(dice, "wood", zoom=60) if wooden else shaded(color))
    thing.add(
        "", polygon((-560, -210), (640, -210), (605, -165), (-520, -165)), flat((238, 234, 226)), within=("hull",)
    )
    return thing


def _sail(dice: Dice) -> Paint:
    if dice.chance(0.4):
        return textured(dice, dice.pick(("striped", "banded", "chequered", "polka-dotted")), percent=60)
    return shaded(shade(dice, "white", "yellow", "red", "orange", "white"), 10)


def balloon(dice: Dice) -> Thing:
    """Return a hot-air balloon."""
    thing = Thing("balloon")
    for x in (-1, 1):
        thing.add("", stroke(x * 120, -330, x * 70, -150, 14), flat((90, 74, 60)))
    plain = dice.chance(0.35)
    color: Color = shade(dice, *VIVID)
    pattern = dice.pick(("striped", "zigzagged", "chequered", "polka-dotted", "banded", "spiralled", "waffled"))
    thing.add("envelope", _envelope(350, 130), shaded(color, 20) if plain else textured(dice, pattern, percent=80))
    if plain:
        thing.add("", _envelope(130, 65), shaded(shade(dice, *VIVID)), within=("envelope",))
    thing.add("basket", polygon((-95, -160), (95, -160), (75, 0), (-75, 0)), shaded((150, 100, 56)))
    return thing


def _envelope(wide: int, narrow: int) -> Outline:
    round_ = ellipse(0, -660, wide, 340, start=TURN * 3 // 8, stop=TURN * 9 // 8)
    return [np.concatenate([*round_, *polygon((narrow, -290), (-narrow, -290))])]
