"""Stage `anchorings`: the labels of a block of units under the anchoring that the run does not use.

One more tally with the thresholds of `dissect`, which do not depend on where maps are placed: the cost of its second pass.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from filterscope.operators.dissection.scores import best_concept, score
from filterscope.operators.dissection.tally import Tally, add_to_tally, half_values
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage
from filterscope.pipeline.methods.dissection import dissect
from filterscope.pipeline.methods.dissection.anchors import axes_of
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible, read_labels
from filterscope.pipeline.methods.tasks import BlockTask, block_stage
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import write_table
from filterscope.schemas.results import TABLES

_OTHER = {"resize": "receptive_field", "receptive_field": "resize"}


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the labels under the other anchoring depend on."""
    return Fingerprint({}, {"dissect": dissect.fingerprint(plan, model).digest})


def anchorings_stage(plan: Plan) -> Stage:
    """Plan the stage: one unit for each block of units, as in `dissect`, of the layers that have a receptive field.

    None where masks are the survey's, which have no anchoring.
    """
    upsampled = plan.options.mask_mode == "upsample"
    return block_stage("anchorings", plan, fingerprint, label_otherwise, lambda layer: upsampled and bool(layer.field))


def label_otherwise(task: BlockTask) -> list[Output]:
    """Label one block of units under the other anchoring and write its part of `unit_anchorings`."""
    plan, key, units = task.plan, task.plan.mask_key(task.model), task.stop - task.start
    other = _OTHER[plan.options.anchoring]
    axes = axes_of(replace(plan, options=replace(plan.options, anchoring=other)), task.model, task.layer)
    vocabulary, threshold, half = Vocabulary.of(Dataset(plan.data)), dissect.read_thresholds(task), half_values()
    tally = Tally.empty(units, len(vocabulary.names), len(vocabulary.categories), plan.mask_size(task.model))
    image = plan.views.image
    for views, masks, (maxima, maps) in dissect.read_labelled(task):
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
    rows, digest = write_table(plan.run, "unit_anchorings", task.unit.place, [table])
    return [Output(task.unit, rows, checksums={"unit_anchorings": digest})]
