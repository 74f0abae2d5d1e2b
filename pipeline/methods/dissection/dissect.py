"""Stage `dissect`: thresholds, data-set IoU and top images of a block of units, from stored activations.

Two passes over the views stream their blocks, so that memory does not grow with the number of images. Where activations are
not stored, `tallies` takes its place.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from filterscope.operators.activations.quantile import Gathered, empty_histogram
from filterscope.operators.activations.strongest import Strongest
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.artifacts import LABELS, MASKS, THRESHOLDS, UNITS
from filterscope.pipeline.methods.dissection.options import DissectionOptions, kept_concepts
from filterscope.pipeline.methods.dissection.reading import read_labelled, read_views
from filterscope.pipeline.methods.dissection.second_pass import SecondPass, Statistics, kept_images
from filterscope.pipeline.methods.dissection.tables import write_findings
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the findings of a model depend on, beside activations and labels."""
    options = plan.of(DissectionOptions)
    names = ("quantile", "anchoring", "mask_mode", "unit_image", "top_images")
    kept = kept_concepts(plan)
    cut = {} if kept is None else {"unit_concept": kept}
    return {**{name: getattr(options, name) for name in names}, "unit_block": plan.options.unit_block, **cut}


def dissect(task: BlockTask) -> list[Output]:
    """Dissect one block of units from its stored activations and write its part of every table."""
    statistics = _first_pass(task)
    second = SecondPass(task, statistics)
    return write_findings(task, second, _second_pass(task, second))


def _first_pass(task: BlockTask) -> Statistics:
    counts, strongest = empty_histogram(task.stop - task.start), Strongest.empty(task.stop - task.start)
    gathered, keep = Gathered(counts), kept_images(task.plan.of(DissectionOptions))
    for _, images, maxima, maps in read_views(task):
        gathered.add(maps)
        strongest = strongest.merge(images, maxima, keep)
    gathered.flush()
    return Statistics.of(counts, strongest, task.plan.of(DissectionOptions).quantile)


def _second_pass(task: BlockTask, second: SecondPass) -> Iterator[pa.Table]:
    """Tally every image block and yield its rows of `unit_image`."""
    for images, masks, (maxima, maps) in read_labelled(task):
        yield second.add(images, maxima, maps, masks)


WRITTEN = (
    THRESHOLDS,
    UNITS,
    Table("activation_histograms"),
    Table("unit_concept"),
    Table("unit_image"),
    Table("top_images"),
)

DISSECT = StageKind(
    "dissect",
    reads=(MAPS, MAXIMA, MASKS, LABELS),
    writes=WRITTEN,
    plan=by_units(dissect),
    parameters=parameters,
)
