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
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.anchors import survey_drawing
from filterscope.pipeline.methods.dissection.artifacts import LABELS, MASKS, THRESHOLDS
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible
from filterscope.pipeline.methods.dissection.options import mask_key
from filterscope.pipeline.methods.dissection.reading import read_labelled, read_thresholds
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.parts import PART
from filterscope.schemas.results import TABLES


def find_parts(task: BlockTask) -> list[Output]:
    """Compare one block of units with all parts and write its part of `part_interpretability`."""
    vocabulary, threshold = Vocabulary.of(Dataset(task.plan.data)), read_thresholds(task)
    draw = survey_drawing(task.plan, task.model, task.layer)
    matches = Matches.empty(task.stop - task.start, len(vocabulary.names))
    shown = np.zeros(len(vocabulary.names), np.int64)
    for _, masks, (maxima, maps) in read_labelled(task):
        add_matches(matches, draw(maps, maxima, threshold), masks, category=vocabulary.category)
        shown += present(masks, len(shown))
    table = _table(task, vocabulary, matches, shown)
    rows, digest = write_table(task.plan.run, "part_interpretability", task.key.place, [table])
    return [Output(task.key, rows, checksums={"part_interpretability": digest})]


def _table(task: BlockTask, vocabulary: Vocabulary, matches: Matches, shown: np.ndarray) -> pa.Table:
    part = np.flatnonzero(vocabulary.category == vocabulary.categories.index(PART))
    eligible = read_eligible(task.plan.run, mask_key(task.plan, task.model))[part]
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


PARTS = StageKind(
    "parts",
    reads=(MAPS, MAXIMA, MASKS, THRESHOLDS, LABELS),
    writes=(Table("part_interpretability"),),
    plan=by_units(find_parts),
    parameters=lambda plan, model: {"part_iou": str(PART_IOU)},
)
