"""Scenes: which there are, and how often. A scene labels its whole image."""

from filterscope.pipeline.datasets.sample.backdrops import obstruct, scatter
from filterscope.pipeline.datasets.sample.canvas import SIZE, Canvas
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.land import meadow, night_sky, street
from filterscope.pipeline.datasets.sample.room import room
from filterscope.pipeline.datasets.sample.stage import Stage
from filterscope.pipeline.datasets.sample.water import seaside, underwater

SCENES = {
    "meadow": meadow,
    "night sky": night_sky,
    "room": room,
    "seaside": seaside,
    "street": street,
    "underwater": underwater,
}
_SHARES = {"meadow": 2, "night sky": 1, "room": 2, "seaside": 2, "street": 3, "underwater": 1}
_LOTS = tuple(name for name, share in _SHARES.items() for _ in range(share))


def scene(canvas: Canvas, dice: Dice, traits: dict[str, str]) -> None:
    """Paint a scene, its clutter, and now and then something that blocks the view."""
    name = dice.pick(_LOTS)
    stage = Stage(canvas, dice, traits)
    SCENES[name](stage)
    if dice.chance(0.35):
        scatter(canvas, dice, 160, SIZE - 2)
    stage.place()
    if dice.chance(0.18) and name != "underwater":
        obstruct(canvas, dice)
    canvas.labels.append((name, "scene"))
