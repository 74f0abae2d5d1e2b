"""Fix: what is learned, or removed, by each fix and by its control."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from filterscope.operators.bias.edits import pasted
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.debugging.choose import at_random, chooser_of, chosen, of_each_group
from filterscope.pipeline.debugging.fixes import COLLECT, DROP, LAST, PASTE, RELABEL, REWEIGHT, Fix
from filterscope.pipeline.debugging.labels import Corrections
from filterscope.pipeline.debugging.material import Material
from filterscope.pipeline.debugging.measure import network_of, pulls
from filterscope.pipeline.debugging.options import DebugOptions
from filterscope.pipeline.debugging.problem import CONFLICT, Problem
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.training.fine_tune import Rows, Trained, fine_tune

#: How much faster the last layer learns alone: there is nothing else that it could undo.
_FASTER = 10
#: Views on which it is found which units pull to the wrong side.
_PULLED = 512


@dataclass(frozen=True)
class Bench:
    """All that a fix is made of.

    Attributes
    ----------
    plan : Plan
        The audit.
    model : str
        Its model that is mended.
    material : Material
        Images.
    problem : Problem
        What is to be mended.
    options : DebugOptions
        How.
    masks : sequence of ndarray or None, optional
        Of the region where the other attribute is seen, for each learned view; empty where nothing is pasted.
    corrections : Corrections, optional
        What a person says of suspicious labels.
    device, threads : str, int
        Where it trains.
    rehearsing : bool
        Whether nothing is trained: what cannot be carried out is refused all the same.
    """

    plan: Plan
    model: str
    material: Material
    problem: Problem
    options: DebugOptions
    masks: tuple[np.ndarray | None, ...] = ()
    corrections: Corrections | None = None
    device: str = "cpu"
    threads: int = 1
    rehearsing: bool = False

    def tuned(self, new: Rows, old: Rows, seed: int, *, source: Path | None = None, last: bool = False) -> Trained:
        """Train the network on, as the options say."""
        asked = self.options
        if self.rehearsing:
            return Trained.open(self.material.source)
        return fine_tune(
            source or self.material.source, new, old, steps=asked.steps, batch=asked.batch, seed=seed,
            learning_rate=asked.learning_rate * (_FASTER if last else 1), device=self.device, threads=self.threads, last=last,
        )  # fmt: skip

    @property
    def none(self) -> Rows:
        """No rows."""
        return self.material.old.rows(self.material.learned[:0])


@dataclass(frozen=True)
class Mended:
    """A network after a fix, the views or units that were chosen for it, and images looked at to find them."""

    trained: Trained
    views: np.ndarray
    units: np.ndarray
    looked: float


def mend(bench: Bench, fix: Fix, seed: int, *, control: bool) -> Mended:
    """Carry out a fix, or its control.

    Raises
    ------
    InputError
        If it cannot be carried out: the pool is too small, regions or labels are missing.
    """
    return _FIXES[fix.kind](bench, fix.count, seed, control)


def _collect(bench: Bench, count: int, seed: int, control: bool) -> Mended:
    material = bench.material
    if control:
        views, looked = at_random(material, count, seed), float(count)
    else:
        by = chooser_of(bench.options.choose, bench.problem)
        views, looked = chosen(bench.plan, bench.model, material, bench.problem, by, count, seed)
    trained = bench.tuned(material.new.rows(views), material.old.rows(material.learned), seed)
    return Mended(trained, views, _NO_UNITS, looked)


def _last(bench: Bench, count: int, seed: int, control: bool) -> Mended:
    material = bench.material
    views = at_random(material, count, seed) if control else of_each_group(material, bench.problem, count, seed)
    groups = bench.problem.groups(material.new)
    share = np.bincount(groups[material.pool][groups[material.pool] >= 0]).astype(np.float64)
    share = share[share > 0]
    looked = count / (len(share) * share.min() / len(material.pool)) if not control else count
    trained = bench.tuned(material.new.rows(views), bench.none, seed, last=True)
    return Mended(trained, views, _NO_UNITS, min(looked, float(len(material.pool))))


def _reweight(bench: Bench, count: int, seed: int, control: bool) -> Mended:
    material, asked = bench.material, bench.options
    groups = bench.problem.groups(material.old)[material.learned]
    learned, groups = material.learned[groups >= 0], groups[groups >= 0]
    if len(np.unique(groups)) < 2:
        raise InputError("reweight needs images of at least two groups among those that were trained on")
    weight = np.ones(len(learned)) if control else 1 / np.bincount(groups)[groups]
    random = np.random.default_rng(seed_of("debug", "reweight", seed))
    views = random.choice(learned, asked.steps * asked.batch, p=weight / weight.sum())
    return Mended(bench.tuned(material.old.rows(views), bench.none, seed), _NO_VIEWS, _NO_UNITS, 0.0)


def _relabel(bench: Bench, count: int, seed: int, control: bool) -> Mended:
    assert bench.corrections is not None
    material, (views, target) = bench.material, bench.corrections.of(count, control=control)
    rest = material.learned[~np.isin(material.learned, views)]
    pixels, good = material.old.images.take(views)
    trained = bench.tuned(Rows(pixels[good], target[good]), material.old.rows(rest), seed)
    return Mended(trained, views, _NO_UNITS, float(count))


def _paste(bench: Bench, count: int, seed: int, control: bool) -> Mended:
    """Paste, into images that agree on the pair, what others show of the other attribute: those without it, or with it."""
    if bench.problem.kind != CONFLICT:
        raise InputError("paste is for --find conflict: what is pasted shows one of two attributes")
    material, side = bench.material, bench.material.old
    groups, hard = bench.problem.groups(side), bench.problem.hard(side)
    shown = np.array([mask is not None for mask in bench.masks])[material.learned]
    easy = material.learned[shown & ~hard[material.learned] & (groups[material.learned] >= 0)]
    if len(easy) < count:
        raise InputError(f"{len(easy):,} training images show the region and agree on the pair, fewer than {count:,}")
    random = np.random.default_rng(seed_of("debug", "paste", seed))
    views = easy[random.permutation(len(easy))[:count]]
    place = bench.problem.columns(side)[1]
    pixels, target = side.images.take(views)[0].copy(), side.lesson.target[views].copy()
    for row, view in enumerate(views.tolist()):
        wanted = side.lesson.target[view, place] if control else 1 - side.lesson.target[view, place]
        donors = material.learned[shown & (side.lesson.target[material.learned, place] == wanted)]
        donors = donors[donors != view]
        if not len(donors):
            raise InputError(f"no training image of the other kind shows {bench.problem.pair[1]}")  # type: ignore[index]
        donor = int(donors[random.integers(len(donors))])
        mask = bench.masks[view]
        assert mask is not None
        pixels[row] = pasted(pixels[row], mask, side.images.take(np.array([donor]))[0][0], (0, 0))
        target[row, place] = wanted
    trained = bench.tuned(Rows(pixels, target), side.rows(material.learned), seed)
    return Mended(trained, views, _NO_UNITS, 0.0)


def _drop(bench: Bench, count: int, seed: int, control: bool) -> Mended:
    """Set units to 0 and let the last layer learn the training images again."""
    if bench.problem.kind != CONFLICT:
        raise InputError("drop is for --find conflict: units are dropped that pull an attribute to the wrong side")
    material, problem, trained = bench.material, bench.problem, Trained.open(bench.material.source)
    hard = material.pool[problem.hard(material.new)[material.pool]]
    if not len(hard):
        raise InputError("the pool holds no image that contradicts the relation, so that no unit is seen to be wrong")
    rows = material.new.rows(hard[:_PULLED])
    place = problem.columns(material.new)[0]
    wrong = pulls(trained, problem.layer, place, rows.pixels, rows.target[:, place])
    if count >= len(wrong):
        raise InputError(f"drop:{count}: {problem.layer} has {len(wrong)} units; drop fewer")
    order = np.argsort(-wrong, kind="stable")
    if control:
        order = np.random.default_rng(seed_of("debug", "drop", seed)).permutation(len(wrong))
    units = np.sort(order[:count])
    _silence(trained, problem.layer, units, rows.pixels[:1])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "dropped.safetensors"
        trained.save(file)
        tuned = bench.tuned(bench.none, material.old.rows(material.learned), seed, source=file, last=True)
    return Mended(tuned, _NO_VIEWS, units, 0.0)


def _silence(trained: Trained, layer: str, units: np.ndarray, pixels: np.ndarray) -> None:
    """Set the weights of units to 0, of the layer itself or of the last module before it that has any; see that it did."""
    modules, place = dict(trained.network.named_modules()), layer.partition("#")[0]
    names = list(modules)
    for name in reversed(names[: names.index(place) + 1]):
        weight = getattr(modules[name], "weight", None)
        if isinstance(weight, torch.nn.Parameter):
            with torch.no_grad():
                for values in (weight, getattr(modules[name], "bias", None)):
                    if values is not None:
                        values[torch.from_numpy(units).to(values.device)] = 0
            break
    if network_of(trained, layer).exact(pixels)[layer][:, units].any():
        raise InputError(f"units of {layer} do not come from weights just before it, so that none can be dropped")


_NO_VIEWS, _NO_UNITS = np.zeros(0, np.int64), np.zeros(0, np.int64)
_FIXES: Mapping[str, Callable[[Bench, int, int, bool], Mended]] = {
    COLLECT: _collect, RELABEL: _relabel, PASTE: _paste, DROP: _drop, REWEIGHT: _reweight, LAST: _last
}  # fmt: skip

__all__ = ["Bench", "Mended", "mend"]
