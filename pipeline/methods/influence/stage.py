"""Stage `influence`: the training views that help and harm each test view most, by blocks of views."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from filterscope.operators.influence.head import Data
from filterscope.operators.influence.influence import gradients, influence
from filterscope.pipeline.engine.stage import Output, Stage, Step
from filterscope.pipeline.methods.influence.head import HEAD, read_head, sample_seed, written
from filterscope.pipeline.methods.influence.labels import Labels
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.influence.pooled import POOLED
from filterscope.pipeline.methods.influence.trial import Inverse, Trial
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ViewsTask, each_model, grids, view_blocks, views_works
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table

INFLUENCE = Table("influence")
HELPFUL, HARMFUL = "helpful", "harmful"


def plan_influence(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan the influences: a key for each model, layer and block of views; a worker inverts a layer's Hessian once."""
    plans = {model.name: own for model, own in each_model(plan)}
    group = partial(views_works, plans, plan.view_count, plan.options.image_block)
    steps = (Step(_Influencer, actors=plan.options.actors or 0),)
    return [Stage(kind.name, grids(kind, plan, prints, view_blocks(plan)), group, steps)]


class _Influencer:
    """Called once for each block of views; holds the head and the Hessian of the layer that it was asked about last."""

    def __init__(self) -> None:
        self._layer: tuple[str, str] | None = None
        self._labels: Labels
        self._wanted: np.ndarray
        self._trial: Trial
        self._inverse: Inverse

    def __call__(self, task: ViewsTask) -> list[Output]:
        with threadpool_limits(1):
            if self._layer != (task.model.name, task.layer.name):
                self._labels = Labels.of(task.plan)
                self._wanted = self._labels.tests(task.plan.of(InfluenceOptions).tests)
                self._trial = Trial.of(task, tested=False)
                self._inverse = Inverse.of(task, self._trial.train, read_head(task))
                self._layer = task.model.name, task.layer.name
            return [written(task, {INFLUENCE: self._rows(task)})]

    def _rows(self, task: ViewsTask) -> Iterator[dict[str, Any]]:
        here = self._wanted.copy()
        here[: task.start] = here[task.stop :] = False
        views, tests = self._trial.tests(task, self._labels.label, here)
        if not len(views):
            return
        head, seeds = self._inverse.hessian.head, [sample_seed(task, view) for view in views.tolist()]
        # one at a time, so that rounding does not depend on the block
        alone = [tests.take(np.array([row])) for row in range(len(views))]
        solved, off = self._inverse.solved(np.concatenate([gradients(head, test) for test in alone]), seeds)
        for row, test in enumerate(alone):
            yield from self._about(task, int(views[row]), test, solved[row], off[row])

    def _about(
        self, task: ViewsTask, view: int, test: Data, solved: np.ndarray, off: float
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of one test view."""
        trial, hessian = self._trial, self._inverse.hessian
        images, names = task.plan.views.image, trial.names
        (found,) = influence(hessian, solved[None])
        known = {
            "image": int(images[view]),
            "view": view,
            "given_label": names[test.y[0]],
            "predicted": names[hessian.head.predicted(test)[0]],
            "loss": float(hessian.head.losses(test)[0]),
            "residual": float(off),
        }
        for kind, place, at in _strongest(found, task.plan.of(InfluenceOptions).top):
            other = int(trial.train_views[at])
            yield {
                **known,
                "kind": kind,
                "rank": place,
                "train_image": int(images[other]),
                "train_view": other,
                "train_label": names[trial.train.y[at]],
                "same_class": bool(trial.train.y[at] == test.y[0]),
                "influence": float(found[at]),
            }


def _strongest(found: np.ndarray, top: int) -> Iterator[tuple[str, int, int]]:
    """Yield kind, rank and place of the strongest values of each sign; zeros are neither."""
    for kind, sign in ((HARMFUL, -1), (HELPFUL, 1)):
        order = np.argsort(-sign * found, kind="stable")[:top]
        for place, at in enumerate(order[sign * found[order] > 0].tolist()):
            yield kind, place, at


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside the head."""
    asked = plan.of(InfluenceOptions)
    return {"top": asked.top, "tests": asked.tests}


INFLUENCE_STAGE = StageKind(
    "influence", reads=(POOLED, HEAD), writes=(INFLUENCE,), plan=plan_influence, parameters=parameters
)

__all__ = ["HARMFUL", "HELPFUL", "INFLUENCE_STAGE"]
