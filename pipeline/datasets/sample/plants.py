"""Trees and flowers."""

from filterscope.pipeline.datasets.sample.canvas import Thing
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.paint import Color, flat, mottled, scaled, shaded
from filterscope.pipeline.datasets.sample.palette import SHADES
from filterscope.pipeline.datasets.sample.shapes import ONE, TURN, blob, cosine, ellipse, polygon, sine, stroke

TREE = ("trunk", "crown")
FLOWER = ("petal", "flower centre", "stem", "leaf")

_FOLIAGE: dict[str, tuple[Color, ...]] = {
    "summer": ((52, 130, 58), (84, 156, 64), (40, 108, 60)),
    "autumn": ((226, 134, 40), (214, 98, 40), (226, 184, 52)),
}


def tree(dice: Dice, traits: dict[str, str]) -> Thing:
    """Return a broad-leaved tree, or a conifer."""
    thing = Thing("tree")
    season = ("season", traits["season"])
    trunk = shaded(dice.pick(((110, 76, 48), (92, 64, 44), (132, 96, 66))))
    thing.add("trunk", polygon((-70, 0), (-45, -480), (45, -480), (70, 0)), trunk)
    color = dice.pick(_FOLIAGE[traits["season"]])
    if dice.chance(0.3):
        for k, (base, tip, half) in enumerate(((-240, -620, 330), (-430, -800, 270), (-620, -1000, 200))):
            outline = polygon((-half, base), (0, tip), (half, base), (half // 3, base + 40), (-half // 3, base + 40))
            paint = shaded(scaled(color, 90 + 8 * k))
            thing.add("crown", outline, paint, landmark="crown" if k == 1 else "", attribute=season)
        return thing
    rough = dice.between(6, 12)
    thing.add("crown", blob(dice, 0, -640, 300, 270, rough), mottled(dice, scaled(color, 92), 18), attribute=season)
    for x, y, radius in ((-210, -560, 170), (210, -570, 170), (-110, -790, 190), (130, -800, 170)):
        paint = mottled(dice, scaled(color, dice.between(94, 110)), 16)
        thing.add("", blob(dice, x, y, radius, radius, rough), paint, within=("crown",))
    return thing


def flower(dice: Dice) -> Thing:
    """Return a flower with a ring of petals."""
    thing = Thing("flower")
    thing.add("stem", stroke(0, 0, 0, -640, 48), shaded((66, 140, 58)))
    for side, name in ((-1, "left leaf"), (1, "right leaf")):
        y = dice.between(-330, -160)
        leaf = ellipse(side * 150, y - 60, 150, 58, tilt=side * -90)
        thing.add("leaf", leaf, shaded((76, 158, 66)), landmark=name)
    color = dice.pick(SHADES[dice.pick(("red", "yellow", "pink", "purple", "white", "orange", "blue"))])
    count, turn = dice.between(5, 9), dice.below(TURN)
    for k in range(count):
        angle = turn + TURN * k // count
        x, y = 170 * cosine(angle) // ONE, 170 * sine(angle) // ONE
        paint = shaded(scaled(color, 100 - 9 * (k % 2)), 10)
        thing.add("petal", ellipse(x, y - 720, 165, 500 // count + 20, tilt=angle), paint, landmark="")
    middle = (120, 72, 40) if color in SHADES["yellow"] + SHADES["orange"] else SHADES["yellow"][0]
    thing.add("flower centre", ellipse(0, -720, 110, 110), shaded(middle))
    thing.add("", ellipse(0, -720, 45, 45), flat(scaled(middle, 78)), within=("flower centre",))
    return thing
