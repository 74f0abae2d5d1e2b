"""Stage `thresholds`: merges the histograms of all spans of images into what the second forward pass needs to know."""

from typing import Any

import numpy as np

from filterscope.operators.activations.quantile import empty_histogram
from filterscope.operators.activations.strongest import Strongest
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.artifacts import STATISTICS
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.dissection.second_pass import Statistics, kept_images
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.extraction.histograms import HISTOGRAMS, read_histogram
from filterscope.pipeline.methods.extraction.passes import left_path, spans
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.promises import Promise


def find_thresholds(task: BlockTask) -> list[Output]:
    """Find thresholds and strongest images of one block of units."""
    plan, units = task.plan, task.stop - task.start
    counts, strongest = empty_histogram(units), Strongest.empty(units)
    for span, _, _ in spans(plan):
        read_histogram(plan, task.model.name, task.layer.name, span).add_to(counts, task.start)
    store = ActivationStore(plan.run, task.model.name, task.layer.name)
    for _, start, stop in blocks("images", plan.view_count, plan.options.image_block):
        maxima = store.read_maxima(start, stop, slice(task.start, task.stop)).astype(np.float32)
        seen = ~np.isnan(maxima[:, 0])
        strongest = strongest.merge(start + np.flatnonzero(seen), maxima[seen], kept_images(plan.of(DissectionOptions)))
    found = Statistics.of(counts, strongest, plan.of(DissectionOptions).quantile)
    digest = write_arrays(left_path(plan.run, "thresholds", task.key.place), found.arrays())
    return [Output(task.key, units, checksums={STATISTICS.name: digest})]


def read_statistics(plan: Plan, model: str, layer: str, block: str) -> Statistics:
    """Read what the first pass found of a block of units."""
    place = (model, layer, block)
    promise = Promise(plan.run, ("thresholds",), place)
    return Statistics.of_arrays(read_arrays(promise.read(STATISTICS.name, left_path(plan.run, "thresholds", place))))


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the thresholds of a model depend on, beside its histograms."""
    options = plan.of(DissectionOptions)
    names = ("quantile", "unit_image", "top_images")
    return {**{name: getattr(options, name) for name in names}, "unit_block": plan.options.unit_block}


THRESHOLDS_STAGE = StageKind(
    "thresholds",
    reads=(HISTOGRAMS, MAXIMA),
    writes=(STATISTICS,),
    plan=by_units(find_thresholds),
    parameters=parameters,
)
