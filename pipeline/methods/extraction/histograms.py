"""Stage `histograms`: the first forward pass; keeps the histogram of every unit on a span of images, and the maxima."""

import numpy as np

from filterscope.operators.activations.sparse_histogram import SparseHistogram
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.artifacts import DECODED, MAXIMA
from filterscope.pipeline.methods.extraction.extract import PassTask, create_stores, whole_images_in
from filterscope.pipeline.methods.extraction.panels import SPAN
from filterscope.pipeline.methods.extraction.passes import ForwardPass, by_spans, left_path, left_removed
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact
from filterscope.pipeline.stores.promises import Promise

#: Histograms of one span of views.
HISTOGRAMS = Artifact.single("histograms", lambda run, place: left_path(run, "histograms", place), left_removed)


class _Histograms(ForwardPass):
    """Counts the activations of one span of images."""

    def __call__(self, task: PassTask) -> list[Output]:
        layers = {layer.name: layer for layer in task.model.layers}
        found = {key: SparseHistogram.empty(layers[key.place[1]].channels) for key in task.keys}
        checksums: dict[Key, dict[str, str]] = {key: {} for key in task.keys}
        rejects = 0
        for _, part, rejected, settled in self.blocks(task):
            rejects += whole_images_in(part, rejected)
            for key in task.keys:
                maps, maxima = settled[key.place[1]]
                store = ActivationStore(task.plan.run, task.model.name, key.place[1])
                checksums[key] |= store.write_maxima(part.start, maxima)
                found[key] = found[key].add(maps[~rejected])
        images = whole_images_in(task, np.ones(task.stop - task.start, bool))
        for key, histogram in found.items():
            arrays = {name: getattr(histogram, name) for name in ("first", "bins", "counts")}
            checksums[key][HISTOGRAMS.name] = write_arrays(left_path(task.plan.run, "histograms", key.place), arrays)
        return [Output(key, task.stop - task.start, images, rejects, checksums[key]) for key in task.keys]


def read_histogram(plan: Plan, model: str, layer: str, span: str) -> SparseHistogram:
    """Read the histograms of a layer on one span of images."""
    place = (model, layer, span)
    promise = Promise(plan.run, ("histograms",), place)
    found = read_arrays(promise.read(HISTOGRAMS.name, left_path(plan.run, "histograms", place)))
    return SparseHistogram(found["first"], found["bins"], found["counts"])


HISTOGRAMS_STAGE = StageKind(
    "histograms",
    reads=(),
    writes=(HISTOGRAMS, MAXIMA, DECODED),
    plan=by_spans(_Histograms),
    parameters=lambda plan, model: {"span": SPAN},
    like=("extract",),
    forward=True,
    prepare=create_stores,
)
