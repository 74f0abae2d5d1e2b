"""Birds, fishes and cats. Birds and fishes face right, cats face us."""

from filterscope.pipeline.datasets.sample.canvas import Thing
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.materials import TINTS, material
from filterscope.pipeline.datasets.sample.paint import Paint, flat, scaled, shaded
from filterscope.pipeline.datasets.sample.palette import SHADES, shade
from filterscope.pipeline.datasets.sample.shapes import ONE, TURN, arc, cosine, ellipse, polygon, sine, stroke
from filterscope.pipeline.datasets.sample.textures import textured

BIRD = ("torso", "head", "beak", "eye", "wing", "tail", "leg")
FISH = ("torso", "head", "eye", "fin", "tail")
CAT = ("torso", "head", "ear", "eye", "muzzle", "leg", "tail")

_INK = flat((24, 22, 26))


def bird(dice: Dice, *, flying: bool) -> Thing:
    """Return a bird, on its legs or with its wing raised."""
    thing = Thing("bird")
    color = shade(dice, "blue", "red", "brown", "yellow", "grey", "green", "white", "black", "orange", "purple")
    breast = scaled(color, 122) if dice.chance(0.5) else shade(dice, "white", "orange", "yellow")
    thing.add(
        "tail", polygon((-330, -520), (-880, -400), (-900, -290), (-700, -270), (-300, -360)), shaded(scaled(color, 80))
    )
    if not flying:
        for x, name in ((-60, "left leg"), (90, "right leg")):
            thing.add("leg", stroke(x, -270, x + 25, -20, 40), flat((214, 140, 48)), landmark=name)
            thing.add("", stroke(x - 30, -18, x + 120, -18, 36), flat((214, 140, 48)), within=("leg",))
    thing.add("torso", ellipse(0, -460, 450, 250, tilt=-60), shaded(color))
    thing.add("", ellipse(150, -400, 260, 150, tilt=-90), shaded(breast, 8), within=("torso",))
    thing.add("beak", polygon((540, -830), (800, -735), (530, -690)), shaded(SHADES["orange"][0]))
    thing.add("head", ellipse(390, -750, 210, 200), shaded(color))
    thing.add("eye", ellipse(450, -795, 62, 62), flat((246, 246, 246)), within=("head",))
    thing.add("", ellipse(462, -795, 36, 36), _INK, within=("eye", "head"))
    raised = polygon((130, -520), (40, -760), (-240, -1100), (-560, -1240), (-480, -900), (-330, -560), (-120, -460))
    folded = polygon((180, -560), (120, -400), (-120, -310), (-480, -290), (-300, -420), (-160, -590), (40, -640))
    thing.add("wing", raised if flying else folded, shaded(scaled(color, 70), 22))
    return thing


def fish(dice: Dice) -> Thing:
    """Return a fish."""
    thing = Thing("fish")
    color = shade(dice, "orange", "yellow", "red", "blue", "purple", "pink", "green", "white")
    dark = shaded(scaled(color, 78))
    thing.add("tail", polygon((-560, -500), (-1000, -850), (-900, -500), (-1000, -150)), dark)
    thing.add("fin", polygon((-280, -800), (-100, -1080), (260, -1010), (330, -790)), dark, landmark="upper fin")
    thing.add("fin", polygon((-120, -180), (-60, 20), (200, -10), (180, -200)), dark, landmark="lower fin")
    body = ellipse(0, -500, 720, 370)
    pattern = dice.pick(("striped", "scaly", "dotted", "banded", "polka-dotted"))
    patterned = dice.chance(0.45)
    light, dark_ink = dice.pick(SHADES["white"]), dice.pick(SHADES["black"])
    ink = dice.pick((light, dark_ink, scaled(color, 60)))
    inks = (color, color, light, dark_ink) if pattern == "banded" else (color, ink)
    thing.add("torso", body, textured(dice, pattern, percent=70, colors=inks) if patterned else shaded(color))
    head = ellipse(0, -500, 720, 370, start=-TURN // 6, stop=TURN // 6)
    thing.add("head", head, shaded(scaled(color, 108), 10))
    thing.add("eye", ellipse(490, -580, 90, 90), flat((248, 248, 244)), within=("head",))
    thing.add("", ellipse(505, -580, 50, 50), _INK, within=("eye", "head"))
    thing.add("", arc(690, -440, 130, 80, TURN // 4, TURN // 2, 34), flat(scaled(color, 50)), within=("head",))
    side = polygon((120, -480), (-200, -380), (-230, -260), (60, -330))
    thing.add("fin", side, dark, landmark="side fin")
    return thing


def cat(dice: Dice) -> Thing:
    """Return a sitting cat; it is all fur."""
    thing = Thing("cat")
    tint = dice.pick(TINTS["fur"])
    zoom = dice.between(60, 100)
    fur, light = material(dice, "fur", tint=tint, zoom=zoom), material(dice, "fur", tint=scaled(tint, 122), zoom=zoom)
    thing.add("tail", arc(230, -240, 260, 200, -TURN // 4, TURN // 4, 100), fur)
    thing.add("torso", ellipse(0, -270, 270, 280), fur)
    for x, name in ((-110, "left leg"), (110, "right leg")):
        thing.add("leg", ellipse(x, -130, 75, 190), light, landmark=name)
        thing.add("", ellipse(x, -35, 95, 50), light, within=("leg",))
    for side, name in ((-1, "left ear"), (1, "right ear")):
        ear = polygon((side * 250, -720), (side * 270, -1000), (side * 60, -850))
        thing.add("ear", ear, fur, within=("head",), landmark=name)
        inner = polygon((side * 215, -790), (side * 235, -930), (side * 125, -850))
        thing.add("", inner, flat((228, 158, 158)), within=("ear", "head"))
    thing.add("head", ellipse(0, -690, 285, 225), fur)
    _cat_face(thing, dice, light)
    return thing


def _cat_face(thing: Thing, dice: Dice, light: Paint) -> None:
    iris = flat(dice.pick(((120, 190, 60), (240, 200, 60), (90, 160, 220))))
    for side, name in ((-1, "left eye"), (1, "right eye")):
        thing.add("eye", ellipse(side * 115, -740, 68, 58), iris, within=("head",), landmark=name)
        thing.add("", ellipse(side * 115, -740, 22, 52), _INK, within=("eye", "head"))
    thing.add("muzzle", ellipse(0, -590, 125, 90), light, within=("head",))
    thing.add("", polygon((-48, -640), (48, -640), (0, -590)), flat((226, 120, 126)), within=("muzzle", "head"))
    for side in (-1, 1):
        thing.add("", arc(side * 45, -590, 45, 36, 0, TURN // 2, 16), _INK, within=("muzzle", "head"))
        for angle in (-50, 0, 50):
            x, y = side * 230 * cosine(angle) // ONE, 230 * sine(angle) // ONE
            thing.add("", stroke(side * 90, -590, side * 90 + x, -590 + y, 12), flat((236, 234, 228)), within=("head",))
