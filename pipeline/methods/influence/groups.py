"""Stage `group-influence`: groups of training views that attributes state, left out together, beside random groups."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import linregress
from threadpoolctl import threadpool_limits

from filterscope.operators.influence.groups import group_influence, pull, random_group, removable, without_group
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.influence.head import HEAD, read_head, written
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.influence.pooled import POOLED
from filterscope.pipeline.methods.influence.trial import Inverse, Trial
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.outputs.options import OutputsOptions
from filterscope.pipeline.methods.outputs.truth import UNKNOWN, stated_labels
from filterscope.pipeline.methods.tasks import LayerTask, by_layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table

GROUPS = Table("group_influence")
#: Values of an attribute that are left out, those of most training views; each trains two heads.
MOST = 20
#: Training views that make a group.
FEWEST = 2


@dataclass(frozen=True)
class _Left:
    """What leaving a group out does to the loss of each test view, predicted and actual, and the accuracy after."""

    predicted: np.ndarray
    actual: np.ndarray
    accuracy: float


def attributes_of(plan: Plan) -> list[str]:
    """Return the attributes whose values are groups: those named, or that of true classes."""
    return plan.of(InfluenceOptions).group_attributes or [plan.of(OutputsOptions).truth]


def measure_groups(task: LayerTask) -> list[Output]:
    """Leave out the groups of one layer and write its part of `group_influence`."""
    with threadpool_limits(1):
        trial = Trial.of(task)
        rows = list(_rows(task, trial)) if len(trial.test.y) else []
        return [written(task, {GROUPS: rows})]


def _rows(task: LayerTask, trial: Trial) -> Iterator[dict[str, Any]]:
    inverse, image = Inverse.of(task, trial.train, read_head(task)), task.plan.views.image
    for attribute in attributes_of(task.plan):
        values, of_image = stated_labels(task.plan, attribute)
        train, test = (of_image[image[views]] for views in (trial.train_views, trial.test_views))
        sizes = np.bincount(train[train != UNKNOWN], minlength=len(values))
        for value in np.argsort(-sizes, kind="stable")[:MOST].tolist():
            if sizes[value] >= FEWEST:
                known = {"attribute": attribute, "value": values[value], "train_views": int(sizes[value])}
                yield known | _row(task, trial, inverse, np.flatnonzero(train == value), test == value, known)


def _row(
    task: LayerTask, trial: Trial, inverse: Inverse, group: np.ndarray, own: np.ndarray, known: dict[str, Any]
) -> dict[str, Any]:
    y, unit = trial.train.y, task.plan.views.image[trial.train_views].astype(np.int64)
    random = np.random.default_rng(
        seed_of("influence", "group", task.plan.data_identity, known["attribute"], known["value"])
    )
    rows = removable(y, group, random)
    left = _left_out(task, trial, inverse, rows, "group", known)
    control = _left_out(task, trial, inverse, random_group(y, unit, len(rows), random), "random group", known)
    pearson, slope = _agreement(left)
    return {
        "left_out": len(rows),
        "test_views": int(own.sum()),
        "predicted_change": _mean(left.predicted),
        "actual_change": _mean(left.actual),
        "own_predicted": _mean(left.predicted[own]),
        "own_actual": _mean(left.actual[own]),
        "pearson": pearson,
        "slope": slope,
        "accuracy": left.accuracy,
        "random_predicted": _mean(control.predicted),
        "random_actual": _mean(control.actual),
        "random_own": _mean(control.actual[own]),
        "random_pearson": _agreement(control)[0],
        "random_accuracy": control.accuracy,
    }


def _left_out(
    task: LayerTask, trial: Trial, inverse: Inverse, rows: np.ndarray, what: str, known: dict[str, Any]
) -> _Left:
    head = inverse.hessian.head
    seed = seed_of("influence", what, task.model.name, task.layer.name, known["attribute"], known["value"])
    solved, _ = inverse.solved(pull(head, trial.train, rows)[None], [seed])
    other = without_group(head, trial.train, rows)
    return _Left(
        group_influence(inverse.hessian, solved[0], trial.test),
        other.losses(trial.test) - head.losses(trial.test),
        float((other.predicted(trial.test) == trial.test.y).mean()),
    )


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _agreement(left: _Left) -> tuple[float | None, float | None]:
    """Return correlation and slope of actual on predicted changes."""
    if len(left.actual) < 3 or not np.ptp(left.predicted) > 0 or not np.ptp(left.actual) > 0:
        return None, None
    line = linregress(left.predicted, left.actual)
    return float(line.rvalue), float(line.slope)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside the head."""
    return {"groups": attributes_of(plan), "most": MOST}


GROUPS_STAGE = StageKind(
    "group-influence",
    reads=(POOLED, HEAD),
    writes=(GROUPS,),
    plan=by_layer(measure_groups),
    parameters=parameters,
)

__all__ = ["FEWEST", "GROUPS", "GROUPS_STAGE", "MOST", "attributes_of", "measure_groups"]
