"""Stage `pooled-gradients`: maps and gradients of the asked score, summed over positions on the device, of a block of views."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.decision_tree.asked import Question, categories_asked, parameters
from filterscope.pipeline.methods.extraction.extract import PassTask, by_model_and_views, forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.outputs.needs import refused
from filterscope.pipeline.methods.outputs.targets import candidates
from filterscope.pipeline.methods.outputs.views import file_of, refuse_broken
from filterscope.pipeline.methods.tasks import grids, view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import lists, read_table, write_table
from filterscope.pipeline.views.decode import decode_views
from filterscope.schemas.results import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from filterscope.pipeline.models.network import Network
    from filterscope.pipeline.models.pooled import PooledMaps

NAME = "pooled-gradients"
POOLED, SCORES, CLASSES = Table("pooled_gradients"), Table("outputs"), Table("classes")


def plan_pooled(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan the passes: a key for each model, layer and block of views."""
    cuts = view_blocks(plan)
    steps = (forward_step(plan, _Pooler),)
    return [Stage(kind.name, grids(kind, plan, prints, cuts), by_model_and_views(plan, cuts), steps)]


def read_questions(plan: Plan, model: PlannedModel) -> list[Question]:
    """Return what is asked of each category, from the class scores of the run."""
    best = np.full(plan.view_count, -1)
    for block, _, _ in view_blocks(plan):
        columns = ("view", "class", "rank")
        rows = read_table(plan.run, "outputs", (model.name, block), stage="outputs", columns=columns).to_pydict()
        view, number, rank = (np.array(rows[name], np.int64) for name in columns)
        best[view[rank == 0]] = number[rank == 0]
    names = class_names(plan, model)
    return [Question.of(plan, category, best, names) for category in categories_asked(plan)]


def class_names(plan: Plan, model: PlannedModel) -> list[str]:
    """Return the names of a model's classes as the run has them."""
    first, _, _ = view_blocks(plan)[0]
    return read_table(plan.run, "classes", (model.name, first), stage="outputs").sort_by("index")["name"].to_pylist()


def pixels_of(plan: Plan, model: PlannedModel, views: np.ndarray) -> np.ndarray:
    """Decode some views (int64, shape (n,)) as a model sees them: uint8 of shape (n, height, width, 3).

    Raises
    ------
    RunError
        If one cannot be decoded any more.
    """
    decoded = decode_views(Dataset(plan.data), plan.views, views.tolist(), model.geometry(plan.options.geometry))
    for view, reason in zip(views.tolist(), decoded.reasons, strict=True):
        if reason:
            raise RunError(f"{file_of(plan, view)} was decoded before and cannot be now: {reason}")
    return decoded.pixels


class _Pooler:
    """Called once for each block of views; holds the networks it used last, and what is asked."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()
        self._asked: dict[str, list[Question]] = {}

    def __call__(self, task: PassTask) -> list[Output]:
        plan, model = task.plan, task.model
        if model.name not in self._asked:
            self._asked[model.name] = read_questions(plan, model)
        tables: dict[str, list[pa.Table]] = {key.place[1]: [] for key in task.keys}
        for question, views in self._here(task):
            network = self._networks.network(plan, model, ())
            for layer, table in _pooled(plan, model, network, question, views, list(tables)).items():
                tables[layer].append(table)
        outputs = []
        for key in task.keys:
            rows, digest = write_table(plan.run, POOLED.name, key.place, tables[key.place[1]])
            images = len(np.unique(plan.views.image[task.start : task.stop]))
            outputs.append(Output(key, rows, images, checksums={POOLED.name: digest}))
        return outputs

    def _here(self, task: PassTask) -> "Iterator[tuple[Question, np.ndarray]]":
        """Yield what is asked of views of a block, and these views."""
        for question in self._asked[task.model.name]:
            views = np.sort(np.concatenate([question.members, question.negatives]))
            views = views[(views >= task.start) & (views < task.stop)]
            if len(views):
                yield question, views


class BestOf:
    """What is differentiated: the highest score among some classes; keeps which that was.

    Parameters
    ----------
    target : str
        A `targets.Target`.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.chosen = np.zeros(0, np.int64)

    def __call__(self, scores: "Tensor", taps: "Mapping[str, Tensor]") -> "Tensor":
        """Return the scores of the next images."""
        import torch

        among = torch.from_numpy(candidates(self._target, scores.shape[1])).to(scores.device)
        found, at = scores[:, among].max(1)
        self.chosen = np.concatenate([self.chosen, among[at].cpu().numpy()])
        return found


def _pooled(
    plan: Plan, model: PlannedModel, network: "Network", question: Question, views: np.ndarray, layers: list[str]
) -> dict[str, pa.Table]:
    from filterscope.pipeline.models.pooled import pooled_gradients

    score = BestOf(question.target)
    with refused("decision-tree", model.name):
        found = pooled_gradients(network, pixels_of(plan, model, views), score, layers)
    return {layer: _table(plan, model, layer, question, views, score.chosen, found[layer]) for layer in layers}


def _table(
    plan: Plan, model: PlannedModel, layer: str, question: Question, views: np.ndarray, chosen: np.ndarray,
    found: "PooledMaps",
) -> pa.Table:  # fmt: skip
    finite = np.isfinite(found.maps).all(axis=1) & np.isfinite(found.slopes).all(axis=1) & np.isfinite(found.value)
    if not finite.all():
        whole = np.ones(plan.view_count, bool)
        whole[views] = finite
        refuse_broken(plan, whole, 0, f"{layer!r} of {model.name} or the gradient with respect to it is")
    columns = {
        "model": [model.name] * len(views),
        "layer": [layer] * len(views),
        "category": [question.category] * len(views),
        "image": plan.views.image[views],
        "view": views.astype(np.int32),
        "member": np.isin(views, question.members),
        "class": chosen.astype(np.int32),
        "score": found.value,
        "linear": found.linear,
        "maps": lists(found.maps),
        "slopes": lists(found.slopes),
        "peaks": lists(found.peak.astype(np.int32)),
    }
    return pa.table(columns, schema=TABLES[POOLED.name])


POOLED_STAGE = StageKind(NAME, reads=(SCORES, CLASSES), writes=(POOLED,), plan=plan_pooled, parameters=parameters)

__all__ = ["CLASSES", "NAME", "POOLED", "POOLED_STAGE", "SCORES", "pixels_of", "read_questions"]
