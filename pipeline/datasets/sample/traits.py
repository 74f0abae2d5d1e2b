"""Properties that vary from image to image, and pairs of them that go together more or less often.

Both members of a pair are fair coins, so each value is as frequent as the other; the second member follows the first with
the probability `cooccurrence`: at 1 always, at 0.5 the two are independent, at 0 they are always opposed.
"""

from dataclasses import dataclass

from filterscope.pipeline.datasets.sample.dice import Dice


@dataclass(frozen=True)
class Pair:
    """Two attributes of two values each; the first value of one goes with the first value of the other."""

    first: str
    first_values: tuple[str, str]
    second: str
    second_values: tuple[str, str]


PAIRS = (
    Pair("hair", ("dark", "fair"), "smiling", ("yes", "no")),
    Pair("weather", ("clear", "rain"), "car colour", ("warm", "cool")),
    Pair("season", ("summer", "autumn"), "roof colour", ("red", "grey")),
)
TIME = "time of day"


def draw_traits(dice: Dice, cooccurrence: float) -> dict[str, str]:
    """Draw a value of every attribute.

    Parameters
    ----------
    dice : Dice
        Source of chance; the same count of numbers is used whatever `cooccurrence` is.
    cooccurrence : float
        Probability that the second attribute of a pair follows the first.
    """
    traits = {}
    for pair in PAIRS:
        first = dice.below(2)
        second = first if dice.chance(cooccurrence) else 1 - first
        traits[pair.first] = pair.first_values[first]
        traits[pair.second] = pair.second_values[second]
    traits[TIME] = "dusk" if dice.chance(0.25) else "day"
    return traits
