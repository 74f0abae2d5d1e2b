"""Stage `gradients`: the gradient of one class score of each view with respect to the maps of every audited layer.

One pass forward and back gives the gradients of all layers of a model that a block of views still lacks.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.extraction.extract import PassTask, by_model_and_views, forward_step, stored_bytes
from filterscope.pipeline.methods.gradients.artifacts import GRADIENTS, named
from filterscope.pipeline.methods.gradients.options import GradientsOptions
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.outputs import truth
from filterscope.pipeline.methods.outputs.needs import refused
from filterscope.pipeline.methods.outputs.targets import TRUE, candidates
from filterscope.pipeline.methods.outputs.truth import UNKNOWN
from filterscope.pipeline.methods.outputs.views import refuse_broken, seen_views
from filterscope.pipeline.methods.tasks import grids, view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.gradients import GradientStore, scaled
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

if TYPE_CHECKING:
    from torch import Tensor

    from filterscope.pipeline.models.network import Network


def plan_gradients(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan the gradients: a key for each model, layer and block of views."""
    cuts = view_blocks(plan)
    steps = (forward_step(plan, _Differentiator),)
    return [Stage(kind.name, grids(kind, plan, prints, cuts), by_model_and_views(plan, cuts), steps)]


class _Differentiator:
    """Called once for each block of views; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()
        self._names: dict[str, list[str]] = {}

    def __call__(self, task: PassTask) -> list[Output]:
        plan, model = task.plan, task.model
        pixels, seen = seen_views(plan, model, task.start, task.stop)
        network = self._networks.network(plan, model, ())
        with refused("gradients", model.name):
            score = _ScoreOf(plan.of(GradientsOptions).target, self._true_classes(task, network, pixels))
            found = _differentiated(task, network, pixels, score)
        has = seen & (score.chosen != UNKNOWN)
        return [self._written(task, key, *found[key.place[1]], has, score.chosen) for key in task.keys]

    def _true_classes(self, task: PassTask, network: "Network", pixels: np.ndarray) -> np.ndarray | None:
        """Return the true class of each view, -1 where it has none; None where others are asked."""
        if task.plan.of(GradientsOptions).target != TRUE:
            return None
        if task.model.name not in self._names:
            self._names[task.model.name] = network.class_names(network.scores(pixels[:1]).shape[1])
        true = truth.true_classes(task.plan, self._names[task.model.name], task.start, task.stop)
        truth.write_bad(task.plan, task.model.name, task.keys[0].place[-1], task.keys[0].stage, true.bad)
        return true.classes

    def _written(
        self, task: PassTask, key: Key, maps: np.ndarray, scales: np.ndarray, largest: np.ndarray, has: np.ndarray,
        chosen: np.ndarray,
    ) -> Output:  # fmt: skip
        plan, layer = task.plan, key.place[1]
        what = f"gradients of {task.model.name} with respect to {layer!r} are"
        refuse_broken(plan, ~has | np.isfinite(largest), task.start, what)
        maps[~has], scales[~has] = 0, np.nan
        files = GradientStore(plan.run, task.model.name, layer).write(task.start, maps, scales)
        views = task.start + np.flatnonzero(has)
        columns = {
            "model": [task.model.name] * len(views),
            "layer": [layer] * len(views),
            "image": plan.views.image[views],
            "view": views.astype(np.int32),
            "class": chosen[has].astype(np.int32),
            "largest": largest[has],
        }
        table = pa.table(columns, schema=TABLES["gradient_views"])
        rows, digest = write_table(plan.run, "gradient_views", key.place, [table])
        images = len(np.unique(plan.views.image[task.start : task.stop]))
        return Output(key, rows, images, checksums={**named(files), "gradient_views": digest})


class _ScoreOf:
    """What is differentiated: the score of one class of each view; keeps which that was.

    Parameters
    ----------
    target : str
        Which class is asked; where it is not the true one, that of highest score among those named or all, of equal ones the
        lower index.
    true : int64 ndarray of shape (views,), optional
        True class of each view of a block, -1 for none, where these are asked.
    """

    def __init__(self, target: str, true: np.ndarray | None) -> None:
        self._target, self._true = target, true
        self.chosen = np.zeros(0, np.int64)

    def __call__(self, scores: "Tensor", taps: Mapping[str, "Tensor"]) -> "Tensor":
        """Return the scores of the next views of the block."""
        import torch

        done = len(self.chosen)
        if self._true is None:
            among = torch.from_numpy(candidates(self._target, scores.shape[1])).to(scores.device)
            classes = among[scores[:, among].argmax(1)]  # the first of equal ones
            stated = classes.cpu().numpy()
        else:
            stated = self._true[done : done + len(scores)]
            classes = torch.from_numpy(np.maximum(stated, 0)).to(scores.device)
        self.chosen = np.concatenate([self.chosen, stated])
        return scores.gather(1, classes[:, None])[:, 0]


Scaled = tuple[np.ndarray, np.ndarray, np.ndarray]


def _differentiated(task: PassTask, network: "Network", pixels: np.ndarray, score: _ScoreOf) -> dict[str, Scaled]:
    """Return scaled gradients, scales and largest magnitudes of each layer; a batch at a time, to hold float16 alone."""
    layers = [key.place[1] for key in task.keys]
    parts: dict[str, list[Scaled]] = {layer: [] for layer in layers}
    for start in range(0, len(pixels), network.batch_size):
        found = network.gradients(pixels[start : start + network.batch_size], score, layers)
        for layer in layers:
            largest = np.abs(found[layer]).max(axis=(1, 2, 3))
            finite = np.where(np.isfinite(largest)[:, None, None, None], found[layer], np.float32(0))
            parts[layer].append((*scaled(finite), largest))
    return {layer: _joined(parts[layer]) for layer in layers}


def _joined(parts: Sequence[Scaled]) -> Scaled:
    maps, scales, largest = (np.concatenate(column) for column in zip(*parts, strict=True))
    return maps, scales, largest


def create_stores(plan: Plan) -> None:
    """Create the arrays that gradients are written into, where they are not there yet."""
    blocks = {"image_block": plan.options.image_block, "unit_block": plan.options.unit_block}
    for model in plan.models:
        for layer in model.layers:
            store = GradientStore(plan.run, model.name, layer.name)
            store.create(plan.view_count, layer.channels, layer.height, layer.width, **blocks)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what gradients depend on beside the network, the views and how they are run."""
    target = plan.of(GradientsOptions).target
    return {"target": target, **(truth.parameters(plan, model) if target == TRUE else {})}


GRADIENTS_STAGE = StageKind(
    "gradients",
    reads=(DECODED,),
    writes=(GRADIENTS, Table("gradient_views")),
    plan=plan_gradients,
    parameters=parameters,
    like=("extract",),
    bytes=stored_bytes,
    prepare=create_stores,
)

__all__ = ["GRADIENTS_STAGE"]
