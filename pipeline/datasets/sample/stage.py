"""What the scenes share: things that wait for their place by depth, the sky, and who may turn up anywhere."""

from dataclasses import dataclass, field

from filterscope.pipeline.datasets.sample.animals import bird
from filterscope.pipeline.datasets.sample.backdrops import sky
from filterscope.pipeline.datasets.sample.canvas import SIZE, Canvas, Thing
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.people import person
from filterscope.pipeline.datasets.sample.shapes import ellipse
from filterscope.pipeline.datasets.sample.traits import TIME
from filterscope.pipeline.datasets.sample.vehicles import balloon


@dataclass
class Stage:
    """A canvas, the choices for it, and the things that still wait to be placed, the farthest first."""

    canvas: Canvas
    dice: Dice
    traits: dict[str, str]
    waiting: list[tuple[int, Thing, int, int, int, bool, bool]] = field(default_factory=list)

    def put(self, thing: Thing, x: int, y: int, size: int, *, lean: int = 6, shadow: bool = True) -> None:
        """Let a thing wait for its place; it leans at random by up to `lean` and is mirrored half of the time."""
        turn = self.dice.between(-lean, lean) if lean else 0
        self.waiting.append((y, thing, x, size, turn, self.dice.chance(0.5), shadow))

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

    def balloons(self, horizon: int, probability: float) -> None:
        """Let a balloon fly above a row, now and then."""
        if self.dice.chance(probability):
            size = self.dice.between(54, 100)
            y = self.dice.between(size * 2 // 3, max(horizon, size))
            self.put(balloon(self.dice), self.dice.between(25, 199), y, size, lean=20, shadow=False)

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
