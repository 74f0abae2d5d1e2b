"""The attacks by name, each on a block of views, and the control beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from filterscope.operators.attacks.lbfgs import lbfgs
from filterscope.operators.attacks.noise import noise_like
from filterscope.operators.attacks.one_pixel import Pixels, one_pixel, painted, random_pixels
from filterscope.operators.attacks.sign import fgsm, pgd
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.methods.vulnerable.asked import Attack
from filterscope.pipeline.methods.vulnerable.options import VulnerableOptions
from filterscope.pipeline.methods.vulnerable.victim import (
    Aim,
    Victim,
    cross_entropy,
    lead,
    lead_of_best,
)

#: One pixel is done where the probability of the class falls below this, or that of the target rises above.
_LOW, _HIGH = 0.05, 0.9
#: The radius of the check on L-BFGS, in lengths of its change.
_SLACK = 1.05


@dataclass(frozen=True)
class Attackable:
    """The n views of a block that are attacked.

    Attributes
    ----------
    views : int64 ndarray of shape (n,)
        Their numbers.
    pixels : uint8 ndarray of shape (n, height, width, channels)
        What enters the network, of one channel where it takes one.
    aim : Aim
        Their classes, and the one that is asked for.
    identity : str
        Of the data set, for seeds.
    """

    views: np.ndarray
    pixels: np.ndarray
    aim: Aim
    identity: str

    @property
    def images(self) -> np.ndarray:
        """Pixels from 0 to 1, float64."""
        return self.pixels / 255

    def random(self, at: int, *purpose: object) -> np.random.Generator:
        """Return what draws for a view by its place."""
        return np.random.default_rng(seed_of("vulnerable", self.identity, int(self.views[at]), *purpose))


@dataclass(frozen=True)
class Found:
    """What an attack made of n views.

    Attributes
    ----------
    images : float64 ndarray of shape (n, height, width, channels)
        Pixels from 0 to 1.
    queries : int64 ndarray of shape (n,)
        Forward passes that each took.
    control : float64 ndarray of the shape of `images`, optional
        What stands beside it, where not noise of equal length.
    weight : list of float or None, optional
        Smallest weight of the loss.
    check : list of bool or None, optional
        Whether a yardstick with as much room succeeds too.
    """

    images: np.ndarray
    queries: np.ndarray
    control: np.ndarray | None = None
    weight: list[float | None] | None = None
    check: list[bool | None] | None = None


def attacked(attack: Attack, victim: Victim, block: Attackable, asked: VulnerableOptions) -> Found:
    """Attack the views of a block, at least one."""
    runs: dict[str, Callable[[Attack, Victim, Attackable, VulnerableOptions], Found]] = {
        "fgsm": _fgsm, "pgd": _pgd, "lbfgs": _lbfgs, "one_pixel": _one_pixel,
    }  # fmt: skip
    return runs[attack.name](attack, victim, block, asked)


def noise(attack: Attack, block: Attackable, found: Found) -> np.ndarray:
    """Return random noise as long as the change of each view: float64 of the shape of the images."""
    images = block.images
    lengths = np.sqrt(((found.images - images) ** 2).sum(axis=(1, 2, 3)))
    drawn = (block.random(at, attack.key, "noise") for at in range(len(images)))
    return np.stack([noise_like(*each) for each in zip(images, lengths, drawn, strict=True)])


def _fgsm(attack: Attack, victim: Victim, block: Attackable, asked: VulnerableOptions) -> Found:
    return Found(*fgsm(block.images, victim.slope(block.aim, cross_entropy), (attack.strength or 0) / 255))


def _pgd(attack: Attack, victim: Victim, block: Attackable, asked: VulnerableOptions) -> Found:
    radius, images = (attack.strength or 0) / 255, block.images
    start = np.stack(
        [image + block.random(at, attack.key).uniform(-radius, radius, image.shape) for at, image in enumerate(images)]
    )
    slope = victim.slope(block.aim, cross_entropy)
    return Found(*pgd(images, slope, np.full(len(images), radius), start=start))


def _lbfgs(attack: Attack, victim: Victim, block: Attackable, asked: VulnerableOptions) -> Found:
    """Find the smallest change of one view after another; where any class will do, that to the nearest."""
    alone, images, found, passes = victim.one_by_one(), block.images, [], np.zeros(len(block.views), np.int64)
    for at, image in enumerate(images):
        aim = block.aim.only(np.array([at]))
        if aim.target is None:
            sought, passes[at] = alone.nearest(image, int(aim.classes[0]))
            slope = alone.slope(aim, lead, np.array([sought]))
        else:
            slope = alone.slope(aim, lead_of_best)
        found.append(lbfgs(image, slope, asked.tries))
    changed = np.stack([one.image for one in found])
    lengths = np.sqrt(((changed - images) ** 2).sum(axis=(1, 2, 3)))
    again, _ = pgd(images, victim.slope(block.aim, cross_entropy), _SLACK * lengths, euclidean=True)
    reached = block.aim.reached(victim.scores(again)).tolist()
    return Found(
        changed,
        passes + [one.queries for one in found],
        weight=[one.weight for one in found],
        check=[None if one.weight is None else same for one, same in zip(found, reached, strict=True)],
    )


def _one_pixel(attack: Attack, victim: Victim, block: Attackable, asked: VulnerableOptions) -> Found:
    """Evolve the pixels of one view after another, and draw as many at random."""
    count, found, control, queries = int(attack.strength or 1), [], [], []
    for at, image in enumerate(block.pixels):
        rate = partial(_rated, victim, image, block.aim.only(np.array([at])))
        enough = _LOW if block.aim.target is None else -_HIGH
        best = one_pixel(
            image.shape, count, rate, block.random(at, attack.key),
            enough=enough, population=asked.population, generations=asked.generations,
        )  # fmt: skip
        other = random_pixels(
            image.shape, count, rate, block.random(at, attack.key, "random"),
            queries=best.queries, batch=asked.population,
        )  # fmt: skip
        found.append(_shown(image, best))
        control.append(_shown(image, other))
        queries.append(best.queries)
    return Found(np.stack(found), np.array(queries), np.stack(control))


def _rated(victim: Victim, image: np.ndarray, aim: Aim, changes: np.ndarray) -> np.ndarray:
    """Return the probability of the class under each change, or less that of the target."""
    goal, sign = (int(aim.classes[0]), 1.0) if aim.target is None else (aim.target, -1.0)
    size = victim.network.batch_size
    parts = (painted(image, changes[start : start + size]) for start in range(0, len(changes), size))
    return np.concatenate([sign * victim.probabilities(part, np.full(len(part), goal)) for part in parts])


def _shown(image: np.ndarray, pixels: Pixels) -> np.ndarray:
    return np.asarray(painted(image, pixels.change[None])[0] / 255)


__all__ = ["Attackable", "Found", "attacked", "noise"]
