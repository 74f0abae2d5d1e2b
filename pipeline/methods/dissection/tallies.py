"""Stage `tallies`: the second forward pass; tallies a span of images against the labels, and `dissect` merges the spans."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, Unit, blocks
from filterscope.pipeline.methods.dissection import concepts, dissect, thresholds
from filterscope.pipeline.methods.dissection.second_pass import SecondPass
from filterscope.pipeline.methods.dissection.thresholds import read_statistics
from filterscope.pipeline.methods.extraction.extract import ExtractTask
from filterscope.pipeline.methods.extraction.passes import ForwardPass, forward_stage, left_path, spans
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import MaskStore
from filterscope.pipeline.stores.places import readable, write_atomically
from filterscope.pipeline.views.whole_images import Part, whole_images


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the tallies of a model depend on."""
    return Fingerprint(
        {"anchoring": plan.options.anchoring, "mask_mode": plan.options.mask_mode},
        {
            "thresholds": thresholds.fingerprint(plan, model).digest,
            "concepts": concepts.fingerprint(plan, model).digest,
        },
    )


def tallies_stage(plan: Plan, factories: dict[str, Callable[[], Any]]) -> Stage:
    """Plan the second forward pass."""
    return forward_stage("tallies", plan, factories, fingerprint, _Tallies)


class _Tallies(ForwardPass):
    """Tallies one span of images, all blocks of units side by side."""

    def __call__(self, task: ExtractTask) -> list[Output]:
        plan = task.plan
        passes = {unit: list(_passes(task, unit)) for unit in task.units}
        rows: dict[Unit, list[list[pa.Table]]] = {unit: [[] for _ in passes[unit]] for unit in task.units}
        for views, masks, arrays in whole_images(self._parts(task), plan.views.image):
            for unit, maps, maxima in zip(task.units, arrays[::2], arrays[1::2], strict=True):
                for found, second in zip(rows[unit], passes[unit], strict=True):
                    own = slice(second.task.start, second.task.stop)
                    found.append(second.add(views, maxima[:, own].astype(np.float32), maps[:, own], masks))
        for unit in task.units:
            for found, second in zip(rows[unit], passes[unit], strict=True):
                _write(plan, (*unit.place[:-1], second.task.unit.place[-1], unit.place[-1]), second, found)
        images = task.stop - task.start
        return [Output(unit, images, images) for unit in task.units]

    def _parts(self, task: ExtractTask) -> Iterator[Part]:
        """Yield the decoded views of the images whose first view is in the span, with maps and maxima of each layer."""
        image, labels = task.plan.views.image, MaskStore(task.plan.run, task.plan.mask_key(task.model))
        first = np.searchsorted(image, image)
        # the last image may go on in the next span, which leaves these views to this one
        end = int(np.searchsorted(image, image[task.stop - 1], "right"))
        for name, part, rejected, settled in self.blocks(replace(task, stop=end)):
            views = np.arange(part.start, part.stop)
            own = ~rejected & (task.start <= first[views]) & (first[views] < task.stop)
            arrays = tuple(values[own] for unit in task.units for values in settled[unit.place[1]])
            yield views[own], labels.read(name).take(np.flatnonzero(own)), arrays


def _passes(task: ExtractTask, unit: Unit) -> Iterator[SecondPass]:
    model, plan = task.model, task.plan
    layer = next(layer for layer in model.layers if layer.name == unit.place[1])
    for block, start, stop in blocks("units", layer.channels, plan.options.unit_block):
        place = Unit("tallies", (model.name, layer.name, block), unit.fingerprint)
        statistics = read_statistics(plan, model.name, layer.name, block)
        yield SecondPass(BlockTask(place, plan, model, layer, start, stop), statistics)


def _write(plan: Plan, place: tuple[str, ...], second: SecondPass, rows: list[pa.Table]) -> None:
    path = left_path(plan.run, "tallies", place)
    sink = io.BytesIO()
    np.savez_compressed(sink, **second.arrays())
    write_atomically(path, sink.getvalue())
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables(rows), sink)
    write_atomically(path.with_suffix(".parquet"), sink.getvalue())


def dissect_tallies(task: BlockTask) -> list[Output]:
    """Merge the tallies of one block of units and write its part of every table."""
    *place, block = task.unit.place
    second = SecondPass(task, read_statistics(task.plan, *place, block))

    def unit_image() -> Iterator[pa.Table]:
        for span, _, _ in spans(task.plan):
            path = left_path(task.plan.run, "tallies", (*place, block, span))
            with np.load(readable(path), allow_pickle=False) as found:
                second.merge(dict(found))
            yield pq.read_table(readable(path.with_suffix(".parquet")), partitioning=None)

    return dissect.write_findings(task, second, unit_image())
