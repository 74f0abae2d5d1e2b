"""Stage `outputs`: the class scores of every view, the highest of which are kept, and that of the true class."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.outputs import truth
from filterscope.pipeline.methods.outputs.needs import refused
from filterscope.pipeline.methods.outputs.options import OutputsOptions
from filterscope.pipeline.methods.outputs.views import refuse_broken, seen_views
from filterscope.pipeline.methods.tasks import ModelViewsTask, by_model_views
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


class _Scorer:
    """Called once for each block of views; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()
        self._names: dict[str, list[str]] = {}

    def __call__(self, task: ModelViewsTask) -> list[Output]:
        plan, model = task.plan, task.model
        pixels, seen = seen_views(plan, model, task.start, task.stop)
        network = self._networks.network(plan, model, ())
        with refused("outputs", model.name):
            scores = network.scores(pixels)
            if model.name not in self._names:
                self._names[model.name] = network.class_names(scores.shape[1])
        names = self._names[model.name]
        refuse_broken(plan, ~seen | np.isfinite(scores).all(axis=1), task.start, f"scores of {model.name} are")
        true = truth.true_classes(plan, names, task.start, task.stop)
        truth.write_bad(plan, model.name, task.key.place[-1], task.key.stage, true.bad)
        tables = {"outputs": rows_of(task, scores, seen, true.classes)}
        if task.start == 0:
            tables["classes"] = _classes(model.name, names)
        rows, checksums = 0, {}
        for name, table in tables.items():
            count, checksums[name] = write_table(plan.run, name, task.key.place, [table])
            rows += count
        return [Output(task.key, rows, len(np.unique(plan.views.image[task.start : task.stop])), checksums=checksums)]


def rows_of(task: ModelViewsTask, scores: np.ndarray, seen: np.ndarray, true: np.ndarray) -> pa.Table:
    """Return the rows of `outputs` of a block, by view and rank.

    Parameters
    ----------
    task : ModelViewsTask
        The block.
    scores : float32 ndarray of shape (views, classes)
        Class scores, finite where `seen`.
    seen : bool ndarray of shape (views,)
        Views that have rows.
    true : int64 ndarray of shape (views,)
        True classes, -1 where unknown.
    """
    rank, is_true = ranks(scores), true[:, None] == np.arange(scores.shape[1])
    kept = ((rank < task.plan.of(OutputsOptions).top) | is_true) & seen[:, None]
    row, index = np.nonzero(kept)
    order = np.lexsort((rank[row, index], row))
    row, index = row[order], index[order]
    columns = {
        "model": [task.model.name] * len(row),
        "image": task.plan.views.image[task.start + row],
        "view": (task.start + row).astype(np.int32),
        "class": index.astype(np.int32),
        "score": scores[row, index],
        "probability": probabilities(scores)[row, index],
        "rank": rank[row, index],
        "true": is_true[row, index],
    }
    return pa.table(columns, schema=TABLES["outputs"])


def ranks(scores: np.ndarray) -> np.ndarray:
    """Return the place of each class among the scores of its view, int32; of equal scores the lower index is first."""
    order = np.argsort(-scores, axis=1, kind="stable")
    rank = np.empty(scores.shape, np.int32)
    np.put_along_axis(rank, order, np.arange(scores.shape[1], dtype=np.int32)[None], axis=1)
    return rank


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Return the softmax of each view's scores, computed in double precision and rounded to float32."""
    from scipy.special import softmax

    return softmax(scores.astype(np.float64), axis=1).astype(np.float32)


def _classes(model: str, names: Sequence[str]) -> pa.Table:
    columns = {"model": [model] * len(names), "index": np.arange(len(names), dtype=np.int32), "name": list(names)}
    return pa.table(columns, schema=TABLES["classes"])


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside the network, the views and how they are run."""
    return {"top": plan.of(OutputsOptions).top, **truth.parameters(plan, model)}


OUTPUTS_STAGE = StageKind(
    "outputs",
    reads=(DECODED,),
    writes=(Table("outputs"), Table("classes")),
    plan=by_model_views(partial(forward_step, actor=_Scorer)),
    parameters=parameters,
    like=("extract",),
)

__all__ = ["OUTPUTS_STAGE", "probabilities", "ranks", "rows_of"]
