"""Stage `influence-head`: a head for each layer, its self-influences, the check by leaving out, and the rehearsal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import linregress, spearmanr
from threadpoolctl import threadpool_limits

from filterscope.operators.influence.head import Head, train
from filterscope.operators.influence.influence import gradients, influence, left_out
from filterscope.operators.influence.rehearsal import checked, flipped
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.influence.pooled import POOLED
from filterscope.pipeline.methods.influence.trial import Inverse, Trial
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.outputs.options import OutputsOptions
from filterscope.pipeline.methods.tasks import LayerTask, by_layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import read_table, write_table
from filterscope.schemas.results import TABLES

NAME = "influence-head"
HEAD, SUMMARY, SELF = Table("influence_head"), Table("influence_summary"), Table("self_influence")
CHECK, FIXES = Table("influence_check"), Table("label_fixes")
#: Shares of the training views whose labels are checked in the rehearsal.
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
BY_INFLUENCE, BY_LOSS, AT_RANDOM = "self-influence", "loss", "random"


def measure_head(task: LayerTask) -> list[Output]:
    """Train the head of one layer and write all that is about it alone."""
    with threadpool_limits(1):  # more threads would round otherwise, and wait for each other
        trial, asked = Trial.of(task), task.plan.of(InfluenceOptions)
        head = train(trial.train, asked.l2)
        inverse = Inverse.of(task, trial.train, head)
        checks, agreement = _checks(task, trial, inverse)
        fixes, errors = _rehearsed(task, trial)
        tables = {
            HEAD: _head_rows(trial, head),
            SUMMARY: [_summary(trial, inverse) | agreement | {"errors": errors}],
            SELF: _self_rows(task, trial, inverse),
            CHECK: checks,
            FIXES: fixes,
        }
    return [written(task, tables)]


def written(task: LayerTask, tables: Mapping[Table, Iterable[Mapping[str, Any]]]) -> Output:
    """Write rows of tables, without their model and layer, and return what the stage reports."""
    known = {"model": task.model.name, "layer": task.layer.name}
    total, checksums = 0, {}
    for table, rows in tables.items():
        content = pa.Table.from_pylist([{**known, **row} for row in rows], schema=TABLES[table.name])
        count, checksums[table.name] = write_table(task.plan.run, table.name, task.key.place, [content])
        total += count
    return Output(task.key, total, checksums=checksums)


def read_head(task: LayerTask) -> Head:
    """Return the head of a layer as its stage left it."""
    place = (task.model.name, task.layer.name, "layer")
    table = read_table(task.plan.run, HEAD.name, place, stage=NAME, columns=("bias", "weights")).to_pydict()
    weights = np.column_stack([np.array(table["weights"], np.float64), np.array(table["bias"], np.float64)])
    return Head.of_weights(weights, task.plan.of(InfluenceOptions).l2)


def sample_seed(task: LayerTask, view: int) -> int:
    """Return the seed of LiSSA's samples for a test view."""
    return seed_of("influence", "samples", task.model.name, task.layer.name, view)


def _head_rows(trial: Trial, head: Head) -> list[dict[str, Any]]:
    return [
        {
            "label": name,
            "train_views": int((trial.train.y == number).sum()),
            "test_views": int((trial.test.y == number).sum()),
            "bias": float(weights[-1]),
            "weights": weights[:-1].tolist(),
        }
        for number, (name, weights) in enumerate(zip(trial.names, head.weights, strict=True))
    ]


def _summary(trial: Trial, inverse: Inverse) -> dict[str, Any]:
    head, hessian = inverse.hessian.head, inverse.hessian
    commonest = np.bincount(trial.train.y).argmax()
    return {
        "classes": len(trial.names),
        "train_views": len(trial.train.y),
        "test_views": len(trial.test.y),
        "left_out": trial.left_out,
        "parameters": head.v.size,
        "gradient": head.gradient,
        "steps": head.steps,
        "train_accuracy": share(head.predicted(trial.train) == trial.train.y),
        "test_accuracy": share(head.predicted(trial.test) == trial.test.y),
        "constant": share(trial.test.y == commonest),
        "solver": inverse.solver,
        "damping": hessian.added,
        "largest_eigenvalue": hessian.largest,
        "scale": inverse.scale,
    }


def share(right: np.ndarray) -> float:
    """Return the share of true values (bool), 0 of none."""
    return float(right.mean()) if len(right) else 0.0


def _self_rows(task: LayerTask, trial: Trial, inverse: Inverse) -> list[dict[str, Any]]:
    head, data = inverse.hessian.head, trial.train
    losses = head.losses(data)
    found = inverse.self_influence(losses)
    rank, loss_rank = _ranks(found), _ranks(losses)
    images, predicted = task.plan.views.image[trial.train_views], head.predicted(data)
    return [
        {
            "image": int(images[row]),
            "view": int(view),
            "influence": None if np.isnan(found[row]) else float(found[row]),
            "loss": float(losses[row]),
            "rank": None if np.isnan(found[row]) else int(rank[row]),
            "loss_rank": int(loss_rank[row]),
            "given_label": trial.names[data.y[row]],
            "predicted": trial.names[predicted[row]],
        }
        for row, view in enumerate(trial.train_views)
    ]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the place of each value, 0 the largest; of equal ones the first, NaN last."""
    return np.argsort(_by(values))


def _by(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")


def _checks(task: LayerTask, trial: Trial, inverse: Inverse) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Leave out the most influential training views of the test view of largest loss, and compare what that does."""
    head, count = inverse.hessian.head, min(task.plan.of(InfluenceOptions).checks, len(trial.train.y))
    if not count or not len(trial.test.y):
        return [], {}
    worst = int(head.losses(trial.test).argmax())
    test = trial.test.take(np.array([worst]))
    seed = sample_seed(task, int(trial.test_views[worst]))
    predicted = influence(inverse.hessian, inverse.solved(gradients(head, test), [seed])[0])[0]
    rows = _by(np.abs(predicted))[:count]
    actual, gradient = left_out(head, trial.train, test, rows)
    images, view = task.plan.views.image, int(trial.test_views[worst])
    found = [
        {
            "image": int(images[view]),
            "view": view,
            "train_image": int(images[trial.train_views[row]]),
            "train_view": int(trial.train_views[row]),
            "predicted_change": float(predicted[row]),
            "actual_change": float(actual[n, 0]),
            "gradient": float(gradient[n]),
        }
        for n, row in enumerate(rows)
    ]
    return found, _agreement(predicted[rows], actual[:, 0])


def _agreement(predicted: np.ndarray, actual: np.ndarray) -> dict[str, Any]:
    if len(predicted) < 3 or not np.ptp(predicted) > 0 or not np.ptp(actual) > 0:
        return {}
    line = linregress(predicted, actual)
    ranks = spearmanr(predicted, actual).statistic
    return {"pearson": float(line.rvalue), "spearman": float(ranks), "slope": float(line.slope)}


def _rehearsed(task: LayerTask, trial: Trial) -> tuple[list[dict[str, Any]], int]:
    """Make some labels wrong, look for them by self-influence, by loss and at random, and put right what is found."""
    asked, views = task.plan.of(InfluenceOptions), task.plan.views
    identity = task.plan.data_identity
    if not asked.flips:
        return [], 0
    seed = seed_of("influence", "flips", identity)
    wrong = flipped(trial.train.y, views.image[trial.train_views], len(trial.names), asked.flips, seed)
    data = trial.train.labelled(wrong)
    head = train(data, asked.l2)
    losses = head.losses(data)
    suspects = Inverse.of(task, data, head).self_influence(losses)
    order = np.random.default_rng(seed_of("influence", "checked at random", identity)).permutation(len(wrong))
    by_loss = _by(losses)
    unknown = np.isnan(suspects[by_loss])
    orders = {
        # behind those that have a self-influence stand the others by loss
        BY_INFLUENCE: np.concatenate([_by(suspects)[: (~unknown).sum()], by_loss[unknown]]),
        BY_LOSS: by_loss,
        AT_RANDOM: order,
    }
    errors = int((wrong != trial.train.y).sum())
    rows = checked(head, data, trial.train.y, orders, SHARES, trial.test)
    return [{**row, "errors": errors} for row in rows], errors


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what heads depend on beside the pooled maps."""
    asked = plan.of(InfluenceOptions)
    names: Sequence[str] = ("test", "train", "l2", "solver", "damping", "scale", "checks", "flips")
    return {"truth": plan.of(OutputsOptions).truth, **{name: getattr(asked, name) for name in names}}


HEAD_STAGE = StageKind(
    NAME,
    reads=(POOLED,),
    writes=(HEAD, SUMMARY, SELF, CHECK, FIXES),
    plan=by_layer(measure_head),
    parameters=parameters,
)

__all__ = ["AT_RANDOM", "BY_INFLUENCE", "BY_LOSS", "HEAD", "HEAD_STAGE", "read_head", "sample_seed", "written"]
