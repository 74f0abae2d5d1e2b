"""Stage `thresholds`: merges the histograms of all spans of images into what the second forward pass needs to know."""

import io

import numpy as np

from filterscope.operators.activations.quantile import empty_histogram
from filterscope.operators.activations.strongest import Strongest
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, blocks
from filterscope.pipeline.methods.dissection.second_pass import Statistics, kept_images
from filterscope.pipeline.methods.extraction import histograms
from filterscope.pipeline.methods.extraction.passes import left_path, spans
from filterscope.pipeline.methods.tasks import BlockTask, block_stage
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.places import readable, write_atomically


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the thresholds of a model depend on."""
    names = ("quantile", "unit_image", "top_images", "unit_block")
    return Fingerprint(
        {name: getattr(plan.options, name) for name in names},
        {"histograms": histograms.fingerprint(plan, model).digest},
    )


def thresholds_stage(plan: Plan) -> Stage:
    """Plan the stage: one unit for each model, layer and block of units."""
    return block_stage("thresholds", plan, fingerprint, find_thresholds)


def find_thresholds(task: BlockTask) -> list[Output]:
    """Find thresholds and strongest images of one block of units."""
    plan, units = task.plan, task.stop - task.start
    counts, strongest = empty_histogram(units), Strongest.empty(units)
    for span, _, _ in spans(plan):
        histograms.read_histogram(plan, task.model.name, task.layer.name, span).add_to(counts, task.start)
    store = ActivationStore(plan.run, task.model.name, task.layer.name)
    for _, start, stop in blocks("images", plan.images, plan.options.image_block):
        maxima = store.read_maxima(start, stop, slice(task.start, task.stop)).astype(np.float32)
        seen = ~np.isnan(maxima[:, 0])
        strongest = strongest.merge(start + np.flatnonzero(seen), maxima[seen], kept_images(plan.options))
    sink = io.BytesIO()
    np.savez_compressed(sink, **Statistics.of(counts, strongest, plan.options.quantile).arrays())
    write_atomically(left_path(plan.run, "thresholds", task.unit.place), sink.getvalue())
    return [Output(task.unit, units)]


def read_statistics(plan: Plan, model: str, layer: str, block: str) -> Statistics:
    """Read what the first pass found of a block of units."""
    with np.load(readable(left_path(plan.run, "thresholds", (model, layer, block))), allow_pickle=False) as found:
        return Statistics.of_arrays(dict(found))
