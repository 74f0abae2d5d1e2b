"""Stage `tallies`: the second forward pass; tallies a span of images against the labels, and `dissect` merges the spans."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filterscope.pipeline.engine.keys import Fingerprint, Key, blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.artifacts import LABELS, MASKS, STATISTICS, TALLIES, tally_name
from filterscope.pipeline.methods.dissection.dissect import DISSECT, WRITTEN
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_key
from filterscope.pipeline.methods.dissection.second_pass import SecondPass
from filterscope.pipeline.methods.dissection.tables import write_findings
from filterscope.pipeline.methods.dissection.thresholds import read_statistics
from filterscope.pipeline.methods.extraction.extract import PassTask, whole_images_in
from filterscope.pipeline.methods.extraction.passes import ForwardPass, by_spans, left_path, spans
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.masks import MaskStore
from filterscope.pipeline.stores.places import digest_of, open_writing
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.views.whole_images import Part, whole_images


class _Tallies(ForwardPass):
    """Tallies one span of images, all blocks of units side by side."""

    def __call__(self, task: PassTask) -> list[Output]:
        plan = task.plan
        passes = {key: list(_passes(task, key)) for key in task.keys}
        rows: dict[Key, list[list[pa.Table]]] = {key: [[] for _ in passes[key]] for key in task.keys}
        for views, masks, arrays in whole_images(self._parts(task), plan.views.image):
            for key, maps, maxima in zip(task.keys, arrays[::2], arrays[1::2], strict=True):
                for found, second in zip(rows[key], passes[key], strict=True):
                    own = slice(second.task.start, second.task.stop)
                    found.append(second.add(views, maxima[:, own].astype(np.float32), maps[:, own], masks))
        images = whole_images_in(task, np.ones(task.stop - task.start, bool))
        outputs = []
        for key in task.keys:
            checksums: dict[str, str] = {}
            for found, second in zip(rows[key], passes[key], strict=True):
                checksums |= _write(plan, (*key.place[:-1], second.task.key.place[-1], key.place[-1]), second, found)
            outputs.append(Output(key, task.stop - task.start, images, checksums=checksums))
        return outputs

    def _parts(self, task: PassTask) -> Iterator[Part]:
        """Yield the decoded views of the images whose first view is in the span, with maps and maxima of each layer."""
        image, labels = task.plan.views.image, MaskStore(task.plan.run, mask_key(task.plan, task.model))
        first = np.searchsorted(image, image)
        # the last image may go on in the next span, which leaves these views to this one
        end = int(np.searchsorted(image, image[task.stop - 1], "right"))
        for name, part, rejected, settled in self.blocks(replace(task, stop=end)):
            views = np.arange(part.start, part.stop)
            own = ~rejected & (task.start <= first[views]) & (first[views] < task.stop)
            arrays = tuple(values[own] for key in task.keys for values in settled[key.place[1]])
            yield views[own], labels.read(name).take(np.flatnonzero(own)), arrays


def _passes(task: PassTask, key: Key) -> Iterator[SecondPass]:
    model, plan = task.model, task.plan
    layer = model.layer(key.place[1])
    for block, start, stop in blocks("units", layer.channels, plan.options.unit_block):
        part = Key("tallies", (model.name, layer.name, block), key.fingerprint)
        statistics = read_statistics(plan, model.name, layer.name, block)
        yield SecondPass(BlockTask(part, plan, model, layer, start, stop), statistics)


def _write(plan: Plan, place: tuple[str, ...], second: SecondPass, rows: list[pa.Table]) -> dict[str, str]:
    """Write arrays and rows of one block of units on a span of views; return their digests as the marker names them."""
    path = left_path(plan.run, "tallies", place)
    arrays = write_arrays(path, second.arrays())
    with open_writing(path.with_suffix(".parquet")) as file:
        pq.write_table(pa.concat_tables(rows), file)
        digest = digest_of(file)
    return {tally_name(path): arrays, tally_name(path.with_suffix(".parquet")): digest}


def dissect_tallies(task: BlockTask) -> list[Output]:
    """Merge the tallies of one block of units and write its part of every table."""
    model, layer, block = task.key.place
    second = SecondPass(task, read_statistics(task.plan, model, layer, block))

    def unit_image() -> Iterator[pa.Table]:
        for span, _, _ in spans(task.plan):
            path = left_path(task.plan.run, "tallies", (model, layer, block, span))
            promise, rows = Promise(task.plan.run, ("tallies",), (model, layer, span)), path.with_suffix(".parquet")
            second.merge(read_arrays(promise.read(tally_name(path), path)))
            yield pq.read_table(pa.BufferReader(promise.read(tally_name(rows), rows)))

    return write_findings(task, second, unit_image())


def parameters(plan: Plan, model: PlannedModel) -> dict[str, str]:
    """Return what the tallies of a model depend on, beside thresholds and masks."""
    options = plan.of(DissectionOptions)
    return {"anchoring": options.anchoring, "mask_mode": options.mask_mode}


def former(plan: Plan, model: PlannedModel, prints: Prints) -> Fingerprint:
    """Return the fingerprint of version 0.1, which held the counts of concepts too, though nothing of them is read."""
    inputs = {name: prints.of(name, model).digest for name in ("thresholds", "concepts")}
    return Fingerprint(parameters(plan, model), inputs)


TALLIES_STAGE = StageKind(
    "tallies",
    reads=(STATISTICS, MASKS),
    writes=(TALLIES,),
    plan=by_spans(_Tallies),
    parameters=parameters,
    former=former,
    again=True,
)

#: What merges them has the outputs of the stage that reads stored activations, bit for bit.
DISSECT_UNSTORED = StageKind(
    "dissect",
    reads=(STATISTICS, TALLIES, LABELS),
    writes=WRITTEN,
    plan=by_units(dissect_tallies),
    same_as=DISSECT,
)
