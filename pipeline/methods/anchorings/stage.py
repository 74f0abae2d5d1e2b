"""Stage `anchorings`: the labels of a block of units under the anchoring that the run does not use.

One more tally with the thresholds of `dissect`, which do not depend on where maps are placed: the cost of its second pass.
"""

import numpy as np
import pyarrow as pa

from filterscope.operators.dissection.scores import best_concept, score
from filterscope.operators.dissection.tally import Tally, add_to_tally, half_values
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.anchors import axes_of
from filterscope.pipeline.methods.dissection.artifacts import LABELS, MASKS, THRESHOLDS
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible, read_labels
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_key, mask_size
from filterscope.pipeline.methods.dissection.reading import read_labelled, read_thresholds
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

_OTHER = {"resize": "receptive_field", "receptive_field": "resize"}


def label_otherwise(task: BlockTask) -> list[Output]:
    """Label one block of units under the other anchoring and write its part of `unit_anchorings`."""
    plan, key, units = task.plan, mask_key(task.plan, task.model), task.stop - task.start
    other = _OTHER[plan.of(DissectionOptions).anchoring]
    axes = axes_of(plan.with_options(anchoring=other), task.model, task.layer)
    vocabulary, threshold, half = Vocabulary.of(Dataset(plan.data)), read_thresholds(task), half_values()
    tally = Tally.empty(units, len(vocabulary.names), len(vocabulary.categories), mask_size(plan, task.model))
    image = plan.views.image
    for views, masks, (maxima, maps) in read_labelled(task):
        add_to_tally(tally, maps, maxima, threshold, masks, vocabulary.category, *axes, half, image[views])
    iou = score(tally, read_labels(plan.run, key), vocabulary.category).iou
    best = best_concept(iou, read_eligible(plan.run, key))
    columns = {
        "model": [task.model.name] * units,
        "layer": [task.layer.name] * units,
        "unit": np.arange(task.start, task.stop, dtype=np.int32),
        "anchoring": [other] * units,
        "concept": [None if number < 0 else vocabulary.names[number] for number in best.concept],
        "iou": best.score,
    }
    table = pa.table(columns, schema=TABLES["unit_anchorings"])
    rows, digest = write_table(plan.run, "unit_anchorings", task.key.place, [table])
    return [Output(task.key, rows, checksums={"unit_anchorings": digest})]


def _has_two(plan: Plan, layer: Layer) -> bool:
    """Tell whether a layer can be anchored in two ways: it has receptive fields, and masks are not the survey's."""
    return plan.of(DissectionOptions).mask_mode == "upsample" and layer.field is not None


ANCHORINGS = StageKind(
    "anchorings",
    reads=(MAPS, MAXIMA, MASKS, THRESHOLDS, LABELS),
    writes=(Table("unit_anchorings"),),
    plan=by_units(label_otherwise, _has_two),
)
