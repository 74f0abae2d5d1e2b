"""Stage `blind-spots`: the confident views of each critical class in partitions, and what is over-represented in these.

A piece of work is a model: which classes have enough views is known only when all scores are.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.blind_spots.axes import along_axes
from filterscope.operators.blind_spots.overrepresented import overrepresented
from filterscope.operators.blind_spots.purity import purity
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.wilson import wilson
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.blind_spots.critical import FEWEST_VIEWS, Critical, critical_classes
from filterscope.pipeline.methods.blind_spots.features import FEWEST, Features, features_of, maxima_of
from filterscope.pipeline.methods.blind_spots.needs import layer_of
from filterscope.pipeline.methods.blind_spots.options import BlindSpotsOptions
from filterscope.pipeline.methods.blind_spots.partition import (
    BINS,
    CLUSTER_VIEWS,
    MOST_CLUSTERS,
    MOST_FEATURES,
    Partition,
    clustered,
    described,
)
from filterscope.pipeline.methods.dissection.artifacts import THRESHOLDS, UNITS
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of, one
from filterscope.pipeline.run.options import RunOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Artifact, Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

OUTPUTS, MEMBERS = Table("outputs"), Table("partition_members")
_WRITES = ("partitions", "partition_members", "blind_spots")
#: Largest p value of a feature that is listed.
_LISTED = 0.05


def by_model(call: Callable[[ModelTask], Any]) -> Callable[[StageKind, Plan, Prints], Sequence[Stage]]:
    """Return what plans a piece of work for each model."""

    def plan_models(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
        tasks = dict[Key, ModelTask]()
        for model, own in each_model(plan):
            key = key_of(kind, (model.name, "classes"), model, prints)
            tasks[key] = ModelTask(key, own, model)
        return one(kind, tasks, call)

    return plan_models


def partition_views(task: ModelTask) -> list[Output]:
    """Partition the views of every critical class of a model and write its parts of the tables."""
    found: dict[str, list[pa.Table]] = {name: [TABLES[name].empty_table()] for name in _WRITES}
    for critical in critical_classes(task.plan, task.model):
        for name, rows in _partitioned(task, critical):
            found[name].append(rows)
    return [written(task, {name: pa.concat_tables(parts) for name, parts in found.items()})]


def written(task: ModelTask, tables: dict[str, pa.Table]) -> Output:
    """Write a model's parts of some tables."""
    total, checksums = 0, {}
    for name, rows in tables.items():
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, [rows])
        total += count
    return Output(task.key, total, checksums=checksums)


def _partitioned(task: ModelTask, critical: Critical) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of one critical class, by table."""
    plan, model, asked = task.plan, task.model, task.plan.of(BlindSpotsOptions)
    layer = layer_of(asked, model.layers, model.name)
    maxima = maxima_of(plan, model, layer, critical.view)
    features = features_of(plan, model, layer, critical.view, maxima)
    seed = seed_of("blind-spots", model.architecture, model.weights_sha256, layer.name, critical.name)
    points = along_axes(maxima)
    clusters, distance = clustered(points, asked.clusters, seed), np.sqrt((points.astype(np.float64) ** 2).sum(axis=1))
    patterns = described(features, critical.confidence, asked.confidence, asked.support)
    for part, own in ((clusters, layer.name), (patterns, None)):
        known = {"model": model.name, "class": critical.name, "method": part.method}
        yield "partitions", _table("partitions", known, _summary(critical, part, own))
        yield "partition_members", _table("partition_members", known, _members(plan, critical, part, distance, seed))
        yield "blind_spots", _table("blind_spots", known, _over(features, part))


def _table(name: str, known: dict[str, str], columns: dict[str, Any]) -> pa.Table:
    rows = len(columns["partition"])
    full = {**{column: [value] * rows for column, value in known.items()}, **columns}
    arrays = [pa.array(full[field.name], field.type, from_pandas=field.nullable) for field in TABLES[name]]
    return pa.Table.from_arrays(arrays, schema=TABLES[name])


def _summary(critical: Critical, part: Partition, layer: str | None) -> dict[str, Any]:
    views, mixed = np.bincount(part.label, minlength=part.count), purity(part.label, critical.true, part.count)
    wrong = np.bincount(part.label[critical.wrong == 1], minlength=part.count)
    low, high = wilson(wrong, mixed.labelled)
    return {
        "partition": np.arange(part.count),
        "layer": [layer] * part.count,
        "pattern": list(part.patterns or [None] * part.count),
        "views": views,
        "confidence": np.bincount(part.label, critical.confidence, part.count) / views,
        "labelled": mixed.labelled,
        "wrong": wrong,
        "wrong_low": low,
        "wrong_high": high,
        "purity": mixed.purity,
        "entropy": mixed.entropy,
    }


def _members(plan: Plan, critical: Critical, part: Partition, distance: np.ndarray, seed: int) -> dict[str, Any]:
    """Return members by partition and random rank."""
    order = np.lexsort((np.random.PCG64(seed).random_raw(len(part.label)), part.label))
    label = part.label[order]
    wrong = critical.wrong[order]
    return {
        "partition": label,
        "image": plan.views.image[critical.view[order]],
        "view": critical.view[order],
        "rank": np.arange(len(order)) - np.searchsorted(label, label),
        "predicted": critical.predicted[order],
        "confidence": critical.confidence[order].astype(np.float32),
        "distance": distance[order].astype(np.float32),
        "true_class": [None if true < 0 else true for true in critical.true[order].tolist()],
        "wrong": [None if value < 0 else bool(value) for value in wrong.tolist()],
    }


def _over(features: Features, part: Partition) -> dict[str, Any]:
    """Return the features that partitions have more often than chance, by partition and p value."""
    own = np.array([[name in conditions for name in features.names] for conditions in part.conditions], bool)
    own = own.reshape(part.count, len(features.names))
    found = overrepresented(part.label, features.has, part.count, tested=~own)
    row, column = np.nonzero(~own & (found.p <= _LISTED))
    order = np.lexsort((column, found.p[row, column], row))
    row, column = row[order], column[order]
    return {
        "partition": row,
        "feature": [features.names[feature] for feature in column],
        "views": found.views[row, column],
        "expected": found.views[row, column] / found.lift[row, column],
        "lift": found.lift[row, column],
        "p": found.p[row, column],
        "q": found.q[row, column],
    }


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what partitions depend on beside activations and scores."""
    asked = plan.of(BlindSpotsOptions)
    return {
        "class": asked.critical,
        "confidence": asked.confidence,
        "layer": asked.layer,
        "last": model.layers[-1].name if asked.layer is None else None,
        "clusters": asked.clusters,
        "support": asked.support,
        "constants": [FEWEST_VIEWS, FEWEST, MOST_FEATURES, BINS, CLUSTER_VIEWS, MOST_CLUSTERS],
    }


def partitions_kind(options: RunOptions) -> StageKind:
    """Return the stage; with dissection, detectors that fire are features too."""
    detectors: tuple[Artifact, ...] = (UNITS, THRESHOLDS) if "dissection" in options.methods else ()
    return StageKind(
        "blind-spots",
        reads=(MAXIMA, OUTPUTS, *detectors),
        writes=tuple(Table(name) for name in _WRITES),
        plan=by_model(partition_views),
        parameters=parameters,
    )


__all__ = ["MEMBERS", "by_model", "partitions_kind", "written"]
