"""Stage `parts`: part interpretability of a block of units, from the stored activations and the thresholds of `dissect`."""

import numpy as np
import pyarrow as pa

from filterscope.operators.dissection.part_interpretability import (
    PART_IOU,
    Matches,
    add_matches,
    interpretability,
    present,
)
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage
from filterscope.pipeline.methods.dissection import dissect
from filterscope.pipeline.methods.dissection.anchors import survey_drawing
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible
from filterscope.pipeline.methods.tasks import BlockTask, block_stage
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import write_table
from filterscope.schemas.parts import PART
from filterscope.schemas.results import TABLES


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the part interpretability of a model depends on."""
    return Fingerprint({"part_iou": str(PART_IOU)}, {"dissect": dissect.fingerprint(plan, model).digest})


def parts_stage(plan: Plan) -> Stage:
    """Plan the stage: one unit for each model, layer and block of units, as in `dissect`."""
    return block_stage("parts", plan, fingerprint, find_parts)


def find_parts(task: BlockTask) -> list[Output]:
    """Compare one block of units with all parts and write its part of `part_interpretability`."""
    vocabulary, threshold = Vocabulary.of(Dataset(task.plan.data)), dissect.read_thresholds(task)
    draw = survey_drawing(task.plan, task.model, task.layer)
    matches = Matches.empty(task.stop - task.start, len(vocabulary.names))
    shown = np.zeros(len(vocabulary.names), np.int64)
    for _, masks, (maxima, maps) in dissect.read_labelled(task):
        add_matches(matches, draw(maps, maxima, threshold), masks)
        shown += present(masks, len(shown))
    table = _table(task, vocabulary, matches, shown)
    rows, digest = write_table(task.plan.run, "part_interpretability", task.unit.place, [table])
    return [Output(task.unit, rows, checksums={"part_interpretability": digest})]


def _table(task: BlockTask, vocabulary: Vocabulary, matches: Matches, shown: np.ndarray) -> pa.Table:
    part = np.flatnonzero(vocabulary.category == vocabulary.categories.index(PART))
    eligible = read_eligible(task.plan.run, task.plan.mask_key(task.model))[part]
    units, shown = task.stop - task.start, shown[part]
    best, _ = interpretability(matches.matched[:, part], np.where(eligible, shown, 0))
    columns = {
        "model": [task.model.name] * (units * len(part)),
        "layer": [task.layer.name] * (units * len(part)),
        "unit": np.repeat(np.arange(task.start, task.stop, dtype=np.int32), len(part)),
        "concept": [vocabulary.names[number] for number in part] * units,
        "views": np.tile(shown, units),
        "matched": matches.matched[:, part].ravel(),
        "share": _mean(matches.matched[:, part], shown),
        "mean_iou": _mean(matches.total[:, part], shown),
        "largest_iou": pa.array(matches.largest[:, part].ravel(), mask=np.tile(shown == 0, units)),
        "eligible": np.tile(eligible, units),
        "best": (best[:, None] == np.arange(len(part))).ravel(),
    }
    return pa.table(columns, schema=TABLES["part_interpretability"])


def _mean(total: np.ndarray, shown: np.ndarray) -> pa.Array:
    return pa.array((total / np.maximum(shown, 1)).ravel(), mask=np.tile(shown == 0, len(total)))
