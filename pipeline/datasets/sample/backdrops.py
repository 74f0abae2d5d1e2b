"""What lies behind and before the things of a scene: sky, ground, clutter, and what blocks the view."""

from filterscope.pipeline.datasets.sample.canvas import SIZE, Canvas
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.paint import Color, Paint, falling, flat, mottled, scaled, shaded
from filterscope.pipeline.datasets.sample.palette import shade
from filterscope.pipeline.datasets.sample.shapes import TURN, Outline, blob, box, ellipse, polygon, star, stroke
from filterscope.pipeline.datasets.sample.traits import TIME

STUFF = (
    *("sky", "cloud", "sun", "moon", "star", "hill", "sea", "sand", "road", "pavement", "floor", "wall"),
    *("painting", "rug", "curtain", "seaweed", "rock"),
)

_SKIES: dict[str, tuple[tuple[Color, ...], ...]] = {
    "clear": (((70, 140, 224), (188, 218, 244)), ((98, 168, 236), (206, 228, 246)), ((52, 120, 206), (170, 208, 240))),
    "rain": (((110, 116, 124), (172, 176, 182)), ((134, 140, 148), (186, 190, 194))),
    "dusk": (((74, 66, 138), (212, 110, 110), (250, 178, 92)), ((56, 74, 150), (238, 140, 96))),
    "night": (((8, 10, 26), (30, 36, 74)), ((14, 10, 32), (46, 36, 84))),
}


def surface_of(canvas: Canvas, name: str, outline: Outline, paint: Paint) -> int:
    """Paint a surface of `STUFF`."""
    return canvas.region(outline, paint, (name, "object"))


def sky(canvas: Canvas, dice: Dice, horizon: int, traits: dict[str, str]) -> None:
    """Paint the sky down to a row, with sun, moon, stars and clouds as hour and weather have it."""
    kind = traits[TIME] if traits[TIME] != "day" else traits["weather"]
    surface_of(canvas, "sky", box(0, 0, SIZE, horizon + 1), falling(*dice.pick(_SKIES[kind])))
    if kind == "night":
        _stars(canvas, dice, horizon)
    elif traits["weather"] == "clear" and dice.chance(0.5):
        sun = (250, 214, 70) if kind == "clear" else (244, 128, 60)
        x, y, radius = dice.between(20, 204), dice.between(16, horizon * 2 // 3), dice.between(9, 17)
        surface_of(canvas, "sun", ellipse(x, y, radius, radius), flat(sun))
    clouds = dice.between(0, 2) if traits["weather"] == "clear" else dice.between(2, 4)
    for _ in range(clouds if kind != "night" else 0):
        _cloud(canvas, dice, horizon, kind)


def _stars(canvas: Canvas, dice: Dice, horizon: int) -> None:
    stars = canvas.surface(("star", "object"))
    for _ in range(dice.between(14, 30)):
        x, y, radius = dice.below(SIZE), dice.below(horizon), dice.between(2, 4)
        color = dice.pick(((250, 250, 240), (255, 240, 190), (214, 226, 255)))
        canvas.fill(stars, star(x, y, radius, max(1, radius // 2), dice.pick((4, 5))), flat(color))
    if dice.chance(0.7):
        x, y, radius = dice.between(30, 194), dice.between(20, 70), dice.between(12, 22)
        moon = surface_of(canvas, "moon", ellipse(x, y, radius, radius), mottled(dice, (232, 226, 196), 10))
        for _ in range(3):
            dx, dy, small = (
                dice.between(-radius // 2, radius // 2),
                dice.between(-radius // 2, radius // 2),
                radius // 5,
            )
            canvas.fill(moon, ellipse(x + dx, y + dy, small, small), flat((206, 198, 168)))


def _cloud(canvas: Canvas, dice: Dice, horizon: int, kind: str) -> None:
    color: Color = {"clear": (244, 246, 250), "rain": (96, 100, 108)}.get(kind, (236, 168, 150))
    x, y, width = dice.below(SIZE), dice.between(10, max(12, horizon * 3 // 5)), dice.between(16, 34)
    cloud = canvas.surface(("cloud", "object"))
    for dx, dy, scale in ((-60, 10, 60), (60, 12, 65), (0, 0, 100)):
        rx, ry = width * scale // 100, width * scale // 190
        puff = blob(dice, x + dx * width // 100, y + dy * width // 100, rx, ry, 10)
        canvas.fill(cloud, puff, falling(scaled(color, 104), scaled(color, 88)))


def hills(canvas: Canvas, dice: Dice, horizon: int, color: Color) -> None:
    """Paint one or two rows of hills behind the ground."""
    for row in range(dice.between(1, 2)):
        hill, base = canvas.surface(("hill", "object")), scaled(color, 118 - 22 * row)
        for _ in range(3):
            x, width, height = dice.below(SIZE), dice.between(50, 100), dice.between(14, 40) - 8 * row
            canvas.fill(hill, ellipse(x, horizon, width, height, start=TURN // 2, stop=TURN), mottled(dice, base, 9))


def seaweed(canvas: Canvas, dice: Dice, x: int, y: int, height: int) -> None:
    """Paint blades of seaweed that grow at a pixel."""
    weed = canvas.surface(("seaweed", "object"))
    color = dice.pick(((44, 128, 60), (92, 140, 48), (30, 100, 70), (140, 60, 70)))
    for _ in range(dice.between(3, 5)):
        lean, bend = dice.between(-14, 14), dice.between(-12, 12)
        tall, half = height * dice.between(60, 100) // 100, dice.between(2, 4)
        middle = (x + bend, y - tall // 2)
        left = [(x - half, y), (middle[0] - half, middle[1]), (x + lean, y - tall)]
        right = [(middle[0] + half, middle[1]), (x + half, y)]
        canvas.fill(weed, polygon(*left, *right), shaded(scaled(color, dice.between(80, 115))))


def mat(x: int, y: int, width: int, height: int, lean: int = 0) -> Outline:
    """Return the outline of a flat thing that lies on the ground, in perspective, with its middle at a pixel."""
    far, near = width * 38 // 100, width // 2
    return polygon(
        (x - far + lean, y - height // 2),
        (x + far + lean, y - height // 2),
        (x + near, y + height // 2),
        (x - near, y + height // 2),
    )


def scatter(canvas: Canvas, dice: Dice, top: int, bottom: int) -> None:
    """Strew small unlabelled things between two rows: pebbles, leaves or litter."""
    clutter = canvas.surface()
    colors = [shade(dice) for _ in range(3)]
    for _ in range(dice.between(5, 16)):
        x, y, radius = dice.below(SIZE), dice.between(top, bottom), dice.between(1, 3)
        canvas.fill(clutter, blob(dice, x, y, radius + 1, radius, 30), shaded(dice.pick(colors)))


def obstruct(canvas: Canvas, dice: Dice) -> None:
    """Put something unlabelled before everything: a branch, a fence, or a post."""
    dice.pick((_branch, _fence, _post))(canvas, dice)


def _branch(canvas: Canvas, dice: Dice) -> None:
    side, y = dice.pick((-1, 1)), dice.between(6, 60)
    x, reach = (0, 1) if side < 0 else (SIZE, -1)
    length, drop = dice.between(60, 130), dice.between(-20, 40)
    branch = canvas.surface()
    canvas.fill(branch, stroke(x, y, x + reach * length, y + drop, 5), shaded((74, 54, 40)))
    color = dice.pick(((70, 130, 60), (110, 150, 60), (190, 110, 50)))
    for _ in range(dice.between(8, 16)):
        part = dice.between(15, 105)
        at_x, at_y = x + reach * length * part // 100, y + drop * part // 100 + dice.between(-9, 9)
        leaf = ellipse(at_x, at_y, dice.between(5, 9), dice.between(2, 4), tilt=dice.below(TURN))
        canvas.fill(branch, leaf, shaded(scaled(color, dice.between(80, 120))))


def _fence(canvas: Canvas, dice: Dice) -> None:
    fence, top, step = canvas.surface(), dice.between(168, 190), dice.between(18, 30)
    color = dice.pick(((236, 234, 228), (140, 100, 66), (70, 74, 78)))
    canvas.fill(fence, box(0, top + 14, SIZE, top + 20), shaded(scaled(color, 90)))
    for x in range(dice.below(step), SIZE + step, step):
        slat = polygon((x - 4, SIZE), (x - 4, top + 5), (x, top), (x + 4, top + 5), (x + 4, SIZE))
        canvas.fill(fence, slat, shaded(color))


def _post(canvas: Canvas, dice: Dice) -> None:
    x, half = dice.between(10, 214), dice.between(3, 7)
    canvas.fill(canvas.surface(), box(x - half, 0, x + half, SIZE), shaded(shade(dice, "grey", "brown", "black")))
