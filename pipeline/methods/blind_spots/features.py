"""Binary features that describe views: attributes and concepts of their images, and unit detectors that fire on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.methods.outputs.options import OutputsOptions
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.tables import read_table

#: Views that must have a feature, and that must lack it.
FEWEST = 5


@dataclass(frozen=True)
class Features:
    """F features of n views: `names`, and `has`, bool of shape (n, F)."""

    names: tuple[str, ...]
    has: np.ndarray


def features_of(plan: Plan, model: PlannedModel, layer: Layer, view: np.ndarray, maxima: np.ndarray) -> Features:
    """Return the features that at least five of some views have and five lack.

    Parameters
    ----------
    plan : Plan
        The run.
    model : PlannedModel
        The network.
    layer : Layer
        Its layer whose detectors are features, in a run with dissection.
    view : int64 ndarray of shape (n,)
        The views.
    maxima : float32 ndarray of shape (n, U)
        Maxima of the layer's units on them.
    """
    image = plan.views.image[view]
    parts = [
        _present(_attributes(plan), image),
        _present(_concepts(plan), image),
        _fired(plan, model, layer, maxima),
    ]
    names = [name for part in parts for name in part.names]
    has = np.concatenate([part.has for part in parts], axis=1)
    views = has.sum(axis=0)
    kept = (views >= FEWEST) & (len(view) - views >= FEWEST)
    return Features(tuple(np.array(names, object)[kept]), has[:, kept])


def _attributes(plan: Plan) -> pl.DataFrame:
    """Return which image has which value of an attribute, without those that say what the true class is."""
    table = pl.DataFrame(Dataset(plan.data).table("attributes")).unique()
    truth = plan.of(OutputsOptions).truth
    others = table.filter(pl.col("attribute") != truth)
    mirrored = _mirrors(others, table.filter(attribute=truth).select("image", pl.col("value").alias("true")))
    named = pl.concat_str("attribute", pl.lit("="), "value").alias("feature")
    return others.filter(~pl.col("attribute").is_in(mirrored)).select("image", named)


def _mirrors(others: pl.DataFrame, true: pl.DataFrame) -> list[str]:
    """Return the attributes whose values stand for the true classes one to one, such as their names in words."""
    counts = others.join(true, on="image").group_by("attribute").agg(
        pl.struct("value", "true").n_unique().alias("pairs"), pl.col("value").n_unique(), pl.col("true").n_unique()
    )  # fmt: skip
    same = (pl.col("pairs") == pl.col("value")) & (pl.col("pairs") == pl.col("true")) & (pl.col("pairs") > 1)
    return counts.filter(same)["attribute"].to_list()


def _concepts(plan: Plan) -> pl.DataFrame:
    """Return which image shows which concept."""
    dataset = Dataset(plan.data)
    names = pl.DataFrame(dataset.concepts).select("concept", pl.format("concept: {}", "name").alias("feature"))
    shown = pl.DataFrame(dataset.table("segments", ["image", "concept"])).unique()
    return shown.join(names, on="concept").select("image", "feature")


def _present(pairs: pl.DataFrame, image: np.ndarray) -> Features:
    """Return which of the views' images has each feature, features in order of their names."""
    views = pl.DataFrame({"image": image, "row": np.arange(len(image))}, schema={"image": pl.Int32, "row": pl.Int64})
    own = views.join(pairs, on="image")
    # what only a few have would make a column for each image where values are all different
    enough = own.filter(pl.len().over("feature") >= FEWEST)
    names = enough["feature"].unique().sort()
    has = np.zeros((len(image), len(names)), bool)
    has[enough["row"].to_numpy(), names.search_sorted(enough["feature"]).to_numpy()] = True
    return Features(tuple(names), has)


def _fired(plan: Plan, model: PlannedModel, layer: Layer, maxima: np.ndarray) -> Features:
    """Return which unit detectors have an activation above their threshold; none without dissection."""
    if "dissection" not in plan.options.methods:
        return Features((), np.zeros((len(maxima), 0), bool))
    rows = pl.concat(_detectors(plan, model, layer)).sort("unit")
    limits = rows["threshold"].to_numpy() * np.float32(plan.options.activation_scale)
    names = tuple(f"unit: {layer.name}/{unit} ({concept})" for unit, concept, _ in rows.iter_rows())
    return Features(names, maxima[:, rows["unit"].to_numpy()] > limits)


def _detectors(plan: Plan, model: PlannedModel, layer: Layer) -> Iterator[pl.DataFrame]:
    for name, _, _ in blocks("units", layer.channels, plan.options.unit_block):
        place = (model.name, layer.name, name)
        units, limits = (
            pl.DataFrame(read_table(plan.run, table, place, stage="dissect", columns=columns))
            for table, columns in (("units", ["unit", "concept", "detector"]), ("thresholds", ["unit", "threshold"]))
        )
        yield units.filter("detector").join(limits, on="unit").select("unit", "concept", "threshold")


def maxima_of(plan: Plan, model: PlannedModel, layer: Layer, views: Sequence[int] | np.ndarray) -> np.ndarray:
    """Read the maxima of all units of a layer on some views, ascending: float32 of shape (n, U)."""
    store, chosen = ActivationStore(plan.run, model.name, layer.name), np.asarray(views)
    parts = [np.empty((0, layer.channels), np.float32)]
    for _, start, stop in blocks("images", plan.view_count, plan.options.image_block):
        first, last = np.searchsorted(chosen, [start, stop])
        if first < last:
            here = store.read_maxima(start, stop, slice(0, layer.channels))[chosen[first:last] - start]
            parts.append(here.astype(np.float32))
    return np.concatenate(parts)


__all__ = ["FEWEST", "Features", "features_of", "maxima_of"]
