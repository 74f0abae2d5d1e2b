"""Stage `mine-patterns`: gradients of every output at every audited layer, reduced view by view to cosines of pairs.

A key is a model, the network itself or that with its weights in another order, and a block of views. Gradients are not
stored: cosines are, and the maps of a few views, since there are as many gradients as outputs times activations.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from filterscope.operators.bias.relations import Mask, cosines, masked
from filterscope.operators.bias.scale import magnitudes
from filterscope.pipeline.engine.keys import Grid, Key, Keys
from filterscope.pipeline.engine.stage import Output, Stage, Work
from filterscope.pipeline.methods.bias.artifacts import (
    MINE,
    PATTERNS,
    RANDOM,
    SCORES,
    TRAINED,
    patterns_path,
    scores_path,
)
from filterscope.pipeline.methods.bias.asked import drawn_layer, mined_views, outputs_of, some_views
from filterscope.pipeline.methods.bias.options import BiasOptions
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.extraction.extract import PassTask, forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.outputs.needs import refused
from filterscope.pipeline.methods.outputs.views import refuse_broken, seen_views
from filterscope.pipeline.methods.tasks import each_model, start_of, view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.arrays import write_arrays

if TYPE_CHECKING:
    from filterscope.pipeline.models.network import Network

#: Most bytes of gradients in memory at once.
_BYTES = 1 << 28


def plan_mining(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan the gradients: a key for each model, itself and its random twin, and block of views."""
    cuts = view_blocks(plan)
    grids = [
        Grid(kind.name, ((model.name, TRAINED), (model.name, RANDOM)), cuts, prints.of(kind, model))
        for model in plan.models
    ]
    plans = {model.name: own for model, own in each_model(plan)}
    group = partial(_works, plans, plan.view_count, plan.options.image_block)
    return [Stage(kind.name, Keys(grids), group, (forward_step(plan, _Miner),))]


def _works(plans: dict[str, Plan], views: int, size: int, missing: Iterable[Key]) -> Iterator[Work]:
    for key in missing:
        own, start = plans[key.place[0]], start_of(key.place[2])
        yield Work((key,), PassTask((key,), own, own.model(key.place[0]), start, min(start + size, views)))


@dataclass(frozen=True)
class _Asked:
    """What is computed of each view.

    Attributes
    ----------
    outputs : list of int
        Outputs that are compared.
    mask : {"top", "share", "none"}
        Which elements count.
    layers : tuple of str
        The layers, by number in the arrays that are stored.
    drawn : str, optional
        That whose patterns are drawn.
    """

    outputs: list[int]
    mask: Mask
    layers: tuple[str, ...]
    drawn: str | None


class _Miner:
    """Called once for each piece of work; holds the networks of the model that it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()
        self._twin: tuple[str, Network] | None = None
        self._names: dict[str, list[str]] = {}

    def __call__(self, task: PassTask) -> list[Output]:
        plan, model, (key,) = task.plan, task.model, task.keys
        which, asked = key.place[1], plan.of(BiasOptions)
        views = mined_views(plan) if which == TRAINED else some_views(plan, asked.control_views)
        views = views[(views >= task.start) & (views < task.stop)]
        pixels, seen = seen_views(plan, model, task.start, task.stop)
        views = views[seen[views - task.start]]
        names = self._names_of(task, pixels)
        wanted = _wanted(plan, model, outputs_of(asked, names, model.name))
        network = _in_small_batches(self._network(task, which), model, len(wanted.outputs))
        shown = some_views(plan, asked.pictures) if which == TRAINED and wanted.drawn is not None else views[:0]
        found = _Block(wanted, which == TRAINED, np.isin(views, shown))
        with refused("bias", model.name):
            scores = found.add(network, pixels[views - task.start])
        finite = np.ones(task.stop - task.start, np.bool_)
        finite[views - task.start] = np.isfinite(scores).all(axis=1) & found.finite()
        what = "scores or gradients of" if which == TRAINED else "those of the randomised copy of"
        refuse_broken(plan, finite, task.start, f"{what} {model.name} are")
        checksums = {
            PATTERNS.name: write_arrays(patterns_path(plan.run, key.place), {"views": views, **found.arrays()})
        }
        if which == TRAINED:
            stored = {"views": views, "scores": scores, "names": np.array([names[k] for k in wanted.outputs])}
            checksums[SCORES.name] = write_arrays(scores_path(plan.run, key.place), stored)
        return [Output(key, len(views), len(np.unique(plan.views.image[views])), checksums=checksums)]

    def _names_of(self, task: PassTask, pixels: np.ndarray) -> list[str]:
        name = task.model.name
        if name not in self._names:
            network = self._networks.network(task.plan, task.model, ())
            with refused("bias", name):
                self._names[name] = network.class_names(network.scores(pixels[:1]).shape[1])
        return self._names[name]

    def _network(self, task: PassTask, which: str) -> "Network":
        from filterscope.pipeline.methods.attribution.controls import randomised

        if which == TRAINED:
            return self._networks.network(task.plan, task.model, ())
        if self._twin is None or self._twin[0] != task.model.name:
            self._twin = task.model.name, randomised(task.plan, task.model, "all", centred=True)
        return self._twin[1]


def _wanted(plan: Plan, model: PlannedModel, outputs: list[int]) -> _Asked:
    asked = plan.of(BiasOptions)
    drawn = drawn_layer(asked, model.layers, model.name)
    layers = tuple(layer.name for layer in model.layers)
    return _Asked(outputs, asked.mask, layers, None if drawn is None else drawn.name)


def _in_small_batches(network: "Network", model: PlannedModel, outputs: int) -> "Network":
    """Return the network for batches whose gradients fit into memory."""
    size = 4 * outputs * sum(layer.channels * layer.height * layer.width for layer in model.layers)
    return replace(network, batch_size=max(min(_BYTES // size, network.batch_size), 1))


class _Block:
    """What the views of a block give, put together.

    Parameters
    ----------
    asked : _Asked
        What is computed.
    trained : bool
        Whether it is of the network itself: cosines without mask, and maps, are of that alone.
    shown : bool ndarray of shape (views,)
        Views whose maps are kept.
    """

    def __init__(self, asked: _Asked, trained: bool, shown: np.ndarray) -> None:
        self._asked, self._trained, self._shown = asked, trained, shown
        pairs = len(asked.outputs) * (len(asked.outputs) - 1) // 2
        empty = np.zeros((len(shown), pairs), np.float32)
        self._kinds = ("cosines", "unmasked") if trained else ("cosines",)
        self._found = {f"{kind}.{n}": empty.copy() for n in range(len(asked.layers)) for kind in self._kinds}
        self._finite = np.ones(len(shown), np.bool_)
        self._maps: list[np.ndarray] = []
        self._sizes: list[list[np.ndarray]] = [[] for _ in asked.outputs]

    def add(self, network: "Network", pixels: np.ndarray) -> np.ndarray:
        """Run all views through the network; return the scores of the outputs, float32 of shape (views, A)."""
        scores = np.zeros((len(pixels), len(self._asked.outputs)), np.float32)
        for rows, found, values, slopes in network.gradients_of_classes(
            pixels, self._asked.outputs, self._asked.layers
        ):
            scores[rows] = found[:, self._asked.outputs]
            for number, layer in enumerate(self._asked.layers):
                for place, view in enumerate(range(rows.start, rows.stop)):
                    self._add_view(view, number, layer, values[layer][place], slopes[layer][place])
        return scores

    def _add_view(self, view: int, number: int, layer: str, values: np.ndarray, slopes: np.ndarray) -> None:
        """Add one view, with maps of shape (C, h, w) and gradients of shape (A, C, h, w)."""
        self._finite[view] &= bool(np.isfinite(slopes).all())
        if not self._finite[view]:
            return
        flat = slopes.reshape(len(slopes), -1)
        products = flat * values.reshape(1, -1)
        kept, mask = masked(flat, products, self._asked.mask)
        self._found[f"cosines.{number}"][view] = cosines(kept)
        if self._trained:
            self._found[f"unmasked.{number}"][view] = cosines(flat)
        if self._trained and layer == self._asked.drawn:
            maps = np.where(mask, products, 0).reshape(slopes.shape).sum(axis=1, dtype=np.float64).astype(np.float32)
            for own, seen in zip(maps, self._sizes, strict=True):
                seen.append(own)
            if self._shown[view]:
                self._maps.append(maps)

    def finite(self) -> np.ndarray:
        """Return whether all gradients of a view are finite, bool of shape (views,)."""
        return self._finite

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is stored: cosines by layer; maps of the shown views; magnitudes of maps by attribute."""
        found: dict[str, np.ndarray] = {**self._found}
        if not self._trained or self._asked.drawn is None:
            return found
        parts = [magnitudes(np.array(seen, np.float32)) for seen in self._sizes]
        found["first"] = np.cumsum([0, *(len(keys) for keys, _ in parts)])
        found["keys"] = np.concatenate([keys for keys, _ in parts])
        found["counts"] = np.concatenate([counts for _, counts in parts])
        found["shown"] = np.flatnonzero(self._shown)
        found["maps"] = np.array(self._maps, np.float32)
        return found


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what cosines depend on beside the network, the views and how they are run."""
    asked = plan.of(BiasOptions)
    return {
        "attributes": list(asked.attributes),
        "mask": asked.mask,
        "layer": asked.layer,
        "layers": [layer.name for layer in model.layers],
        "views": asked.views,
        "control_views": asked.control_views,
        "pictures": asked.pictures,
        **({} if model.classes_sha256 is None else {"classes": model.classes_sha256}),
    }


MINING = StageKind(
    MINE, reads=(DECODED,), writes=(PATTERNS, SCORES), plan=plan_mining, parameters=parameters, like=("extract",)
)

__all__ = ["MINING"]
