"""Stage `histograms`: the first forward pass; keeps the histogram of every unit on a span of images, and the maxima."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from filterscope.operators.activations.sparse_histogram import SparseHistogram
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage
from filterscope.pipeline.methods.extraction import extract
from filterscope.pipeline.methods.extraction.extract import ExtractTask
from filterscope.pipeline.methods.extraction.passes import SPAN, ForwardPass, forward_stage, left_path
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.places import readable, write_atomically


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the histograms of a model depend on."""
    return Fingerprint({"span": SPAN}, {"extract": extract.fingerprint(plan, model).digest})


def histograms_stage(plan: Plan, factories: dict[str, Callable[[], Any]]) -> Stage:
    """Plan the first forward pass."""
    return forward_stage("histograms", plan, factories, fingerprint, _Histograms)


class _Histograms(ForwardPass):
    """Counts the activations of one span of images."""

    def __call__(self, task: ExtractTask) -> list[Output]:
        layers = {layer.name: layer for layer in task.model.layers}
        found = {unit: SparseHistogram.empty(layers[unit.place[1]].channels) for unit in task.units}
        rejects = 0
        for _, part, rejected, settled in self.blocks(task):
            rejects += int(rejected.sum())
            for unit in task.units:
                maps, maxima = settled[unit.place[1]]
                ActivationStore(task.plan.run, task.model.name, unit.place[1]).write_maxima(part.start, maxima)
                found[unit] = found[unit].add(maps[~rejected])
        images = task.stop - task.start
        for unit, histogram in found.items():
            sink = io.BytesIO()
            np.savez_compressed(sink, first=histogram.first, bins=histogram.bins, counts=histogram.counts)
            write_atomically(left_path(task.plan.run, "histograms", unit.place), sink.getvalue())
        return [Output(unit, images, images, rejects) for unit in task.units]


def read_histogram(plan: Plan, model: str, layer: str, span: str) -> SparseHistogram:
    """Read the histograms of a layer on one span of images."""
    with np.load(readable(left_path(plan.run, "histograms", (model, layer, span))), allow_pickle=False) as found:
        return SparseHistogram(found["first"], found["bins"], found["counts"])
