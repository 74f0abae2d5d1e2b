"""Stage `bias`: the relations of a layer over all views, against expectations, labels and a randomised network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.bias.baselines import correlation, ranks, residuals
from filterscope.operators.bias.conflicts import KINDS, UNKNOWN, conflicts
from filterscope.operators.bias.relations import Means, pairs_of
from filterscope.operators.bias.scale import merged, quantile
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.bias.artifacts import PATTERNS, RANDOM, SCORES, TRAINED, read_patterns, read_scores
from filterscope.pipeline.methods.bias.asked import drawn_layer, expectations, labels_of, mined_views, seeds_of
from filterscope.pipeline.methods.bias.options import BiasOptions
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import LayerTask, by_layer, view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

_SIGNS = {1: "+", -1: "-", 0: "0", UNKNOWN: None}


def relate(task: LayerTask) -> list[Output]:
    """Put the blocks of a layer together and write its part of both tables."""
    plan, asked = task.plan, task.plan.of(BiasOptions)
    names, scores = read_scores(plan, task.model.name)
    tables = {"attribute_relations": _relations(task, names)}
    drawn = drawn_layer(asked, task.model.layers, task.model.name)
    if drawn is not None and drawn.name == task.layer.name:
        tables["attribute_patterns"] = _patterns(task, names, scores)
    rows, checksums = 0, {}
    for name, table in tables.items():
        count, checksums[name] = write_table(plan.run, name, task.key.place, [table])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


def _relations(task: LayerTask, names: Sequence[str]) -> pa.Table:
    plan, number = task.plan, [layer.name for layer in task.model.layers].index(task.layer.name)
    found = _means(task, TRAINED, f"cosines.{number}")
    mean, deviation, (low, high) = found.mean(), found.deviation(), found.interval()
    expected = expectations(plan.of(BiasOptions), names)
    against = conflicts(mean, deviation, low, high, expected)
    phi, information, images = _in_labels(plan, names)
    residual, _, _ = residuals(mean, phi)
    stated = ~np.isnan(against.divergence)
    first, second = pairs_of(len(names))
    columns = {
        "model": [task.model.name] * len(first),
        "layer": [task.layer.name] * len(first),
        "attribute": [names[k] for k in first],
        "other": [names[k] for k in second],
        "mean": mean,
        "standard_deviation": deviation,
        "low": low,
        "high": high,
        "views": found.views,
        "unmasked": _means(task, TRAINED, f"unmasked.{number}").mean(),
        "random": _means(task, RANDOM, f"cosines.{number}").mean(),
        "expected": [_SIGNS[sign] for sign in expected.tolist()],
        "divergence": against.divergence,
        "kind": [
            (KINDS[kind] or "agrees") if known else None for kind, known in zip(against.kind, stated, strict=True)
        ],
        "assumed": [bool(own) if known else None for own, known in zip(against.assumed, stated, strict=True)],
        "data_correlation": phi,
        "data_information": information,
        "data_images": images,
        "residual": residual,
        "rank": ranks(mean if np.isnan(residual).all() else residual).astype(np.int32),
    }
    return _table("attribute_relations", columns)


def _means(task: LayerTask, which: str, name: str) -> Means:
    plan, found = task.plan, None
    for block, _, _ in view_blocks(plan):
        stored = read_patterns(plan.run, (task.model.name, which, block), "views", name)
        found = Means(stored[name].shape[1]) if found is None else found
        found.add(stored[name], seeds_of(plan, stored["views"]))
    assert found is not None
    return found


def _in_labels(plan: Plan, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return phi, information and images of every pair, from the labels of the images that were mined, each once."""
    views = mined_views(plan)
    first_of_image = views[np.unique(plan.views.image[views], return_index=True)[1]]
    labels = labels_of(plan, names)[first_of_image]
    first, second = pairs_of(len(names))
    found = [correlation(labels[:, i], labels[:, j]) for i, j in zip(first, second, strict=True)]
    phi, information, images = zip(*found, strict=True)
    return np.array(phi, np.float64), np.array(information, np.float64), np.array(images, np.int64)


def _patterns(task: LayerTask, names: Sequence[str], scores: np.ndarray) -> pa.Table:
    """Return the maps of the shown views, with one scale for each attribute."""
    plan, parts, views, maps = task.plan, [], [], []
    for block, _, _ in view_blocks(plan):
        stored = read_patterns(
            plan.run, (task.model.name, TRAINED, block), "views", "shown", "maps", "first", "keys", "counts"
        )
        parts.append(stored)
        views += stored["views"][stored["shown"]].tolist()
        maps += list(stored["maps"])
    scales = []
    for number in range(len(names)):
        own = [slice(*part["first"][number : number + 2].tolist()) for part in parts]
        counted = [(part["keys"][rows], part["counts"][rows]) for part, rows in zip(parts, own, strict=True)]
        scales.append(quantile(merged(counted)))
    rows = [
        {
            "model": task.model.name,
            "layer": task.layer.name,
            "image": int(plan.views.image[view]),
            "view": view,
            "attribute": name,
            "score": float(scores[view, number]),
            "height": task.layer.height,
            "width": task.layer.width,
            "map": shown[number].ravel().tolist(),
            "scale": scales[number],
        }
        for view, shown in zip(views, maps, strict=True)
        for number, name in enumerate(names)
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["attribute_patterns"])


def _table(name: str, columns: dict[str, Any]) -> pa.Table:
    """Return a table whose NaN are null where a column may be."""
    schema = TABLES[name]
    arrays = [pa.array(columns[field.name], field.type, from_pandas=field.nullable) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside cosines, views and labels."""
    return {"expected": list(plan.of(BiasOptions).expected), "data": plan.data_identity}


RELATE = StageKind(
    "bias",
    reads=(PATTERNS, SCORES),
    writes=(Table("attribute_relations"), Table("attribute_patterns")),
    plan=by_layer(relate),
    parameters=parameters,
)

__all__ = ["RELATE"]
