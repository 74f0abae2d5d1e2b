"""Scenes: which ground, which things, and where. A scene labels its whole image."""

from dataclasses import dataclass, field

from pipeline.datasets.sample.animals import bird, cat, fish
from pipeline.datasets.sample.backdrops import hills, mat, obstruct, scatter, seaweed, sky, surface_of
from pipeline.datasets.sample.buildings import house
from pipeline.datasets.sample.canvas import SIZE, Canvas, Thing
from pipeline.datasets.sample.dice import Dice
from pipeline.datasets.sample.furniture import chair, lamp, parasol, street_lamp
from pipeline.datasets.sample.materials import material
from pipeline.datasets.sample.paint import Paint, falling, flat, mottled, shaded
from pipeline.datasets.sample.palette import shade
from pipeline.datasets.sample.people import person
from pipeline.datasets.sample.plants import flower, tree
from pipeline.datasets.sample.shapes import blob, box, ellipse, polygon, ring
from pipeline.datasets.sample.textures import TEXTURES, textured
from pipeline.datasets.sample.traits import TIME
from pipeline.datasets.sample.vehicles import balloon, bicycle, boat, car

@dataclass
class Stage:
    """A canvas, the choices for it, and the things that still wait to be placed, the farthest first."""

    canvas: Canvas
    dice: Dice
    traits: dict[str, str]
    waiting: list[tuple[int, Thing, int, int, int, bool, bool]] = field(default_factory=list)

    def put(
        self, thing: Thing, x: int, y: int, size: int, *, lean: int = 6, shadow: bool = True, mirror: bool = True
    ) -> None:
        """Let a thing wait for its place; it leans at random by up to `lean` and is mirrored half of the time."""
        turn = self.dice.between(-lean, lean) if lean else 0
        self.waiting.append((y, thing, x, size, turn, mirror and self.dice.chance(0.5), shadow))

    def place(self) -> None:
        """Place all that waits; what stands lower in the image is nearer."""
        for y, thing, x, size, turn, flip, shadow in sorted(self.waiting, key=lambda one: one[0]):
            if shadow:
                self.canvas.darken(ellipse(x, y, size * 45 // 100, max(2, size // 14)), 28)
            self.canvas.place(thing, x, y, size, turn=turn, flip=flip)
        self.waiting.clear()

    def outdoors(self, horizon: int) -> None:
        """Paint the sky and state hour and weather."""
        sky(self.canvas, self.dice, horizon, self.traits)
        self.canvas.attributes[TIME] = self.traits[TIME]
        if self.traits[TIME] != "night":
            self.canvas.attributes["weather"] = self.traits["weather"]

    def birds(self, count: int, low: int, high: int) -> None:
        """Let birds fly between two rows."""
        for _ in range(count):
            size, y = self.dice.between(22, 42), self.dice.between(low + 40, max(low + 41, high))
            self.put(bird(self.dice, flying=True), self.dice.between(15, 209), y, size, lean=50, shadow=False)

    def somebody(self, probability: float) -> None:
        """Put a person before all others, now and then."""
        if self.dice.chance(probability):
            size, x = self.dice.between(90, 150), self.dice.between(45, 179)
            self.put(person(self.dice, self.traits), x, SIZE + self.dice.between(0, 12), size, lean=24, shadow=False)


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
    _balloons(stage, horizon, 0.3)


def _balloons(stage: Stage, horizon: int, probability: float) -> None:
    if stage.dice.chance(probability):
        size = stage.dice.between(54, 100)
        y = stage.dice.between(size * 2 // 3, max(horizon, size))
        stage.put(balloon(stage.dice), stage.dice.between(25, 199), y, size, lean=20, shadow=False)


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
    _balloons(stage, horizon, 0.12)
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
        rug = material(dice, "fabric", zoom=150) if dice.chance(0.25) else textured(dice, dice.pick(tuple(TEXTURES)))
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
    if kind < 3:
        return textured(dice, dice.pick(tuple(TEXTURES)))
    if kind < 5:
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
    picture = textured(dice, dice.pick(tuple(TEXTURES)))
    surface_of(stage.canvas, "painting", box(x + 5, y + 5, x + width - 5, y + height - 5), picture)


def _curtain(stage: Stage, base: int) -> None:
    dice = stage.dice
    width, paint = dice.between(22, 44), material(dice, "fabric")
    left = dice.chance(0.5)
    outline = polygon((0, 0), (width, 0), (width * 3 // 4, base // 2), (width, base + 6), (0, base + 6))
    surface_of(
        stage.canvas, "curtain", outline if left else [contour * (-1, 1) + (SIZE, 0) for contour in outline], paint
    )


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
    _balloons(stage, horizon - 10, 0.6)
    stage.birds(dice.below(2), 0, horizon - 40)


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


SCENES = {
    "meadow": meadow,
    "night sky": night_sky,
    "room": room,
    "seaside": seaside,
    "street": street,
    "underwater": underwater,
}


def scene(canvas: Canvas, dice: Dice, traits: dict[str, str]) -> None:
    """Paint a scene, its clutter, and now and then something that blocks the view."""
    name = dice.pick(
        (
            "meadow",
            "meadow",
            "street",
            "street",
            "street",
            "room",
            "room",
            "seaside",
            "seaside",
            "night sky",
            "underwater",
        )
    )
    stage = Stage(canvas, dice, traits)
    SCENES[name](stage)
    if dice.chance(0.35):
        scatter(canvas, dice, 160, SIZE - 2)
    stage.place()
    if dice.chance(0.18) and name != "underwater":
        obstruct(canvas, dice)
    canvas.labels.append((name, "scene"))
