"""Stage `stability`: the labels of a block of units at other quantiles of activation than the run's own.

One more pass for the exact histogram and one for the tallies, a tally for every other quantile; what the run's own quantile
gives is read from `units`.
"""

import numpy as np
import pyarrow as pa

from filterscope.operators.activations.quantile import Gathered, empty_histogram, upper_quantile
from filterscope.operators.dissection.activated import add_drawn_to_tally
from filterscope.operators.dissection.scores import Best, best_concept, score
from filterscope.operators.dissection.tally import Tally, add_to_tally, half_values
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.anchors import axes_of, survey_drawing
from filterscope.pipeline.methods.dissection.artifacts import LABELS, MASKS, THRESHOLDS, UNITS
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible, read_labels
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_key, mask_size
from filterscope.pipeline.methods.dissection.reading import read_labelled, read_views
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import read_table, write_table
from filterscope.schemas.results import TABLES

#: Shares of activations above the threshold at which units are labelled, beside the run's own.
QUANTILES = (0.001, 0.005, 0.01, 0.05)


def label_at_quantiles(task: BlockTask) -> list[Output]:
    """Label one block of units at every quantile and write its part of `label_stability`."""
    own = task.plan.of(DissectionOptions).quantile
    others = [quantile for quantile in QUANTILES if quantile != own]
    tables = [_own_rows(task), *_rows_at(task, others)]
    # the file is in order of units, then quantiles
    table = pa.concat_tables(tables).sort_by([("unit", "ascending"), ("quantile", "ascending")])
    rows, digest = write_table(task.plan.run, "label_stability", task.key.place, [table])
    return [Output(task.key, rows, checksums={"label_stability": digest})]


def _own_rows(task: BlockTask) -> pa.Table:
    """Return the rows at the run's quantile, as `dissect` found them."""
    run, place = task.plan.run, task.key.place
    keys = ["model", "layer", "unit"]
    found = read_table(run, "units", place, stage="dissect", columns=[*keys, "concept", "iou"])
    limits = read_table(run, "thresholds", place, stage="dissect", columns=[*keys, "quantile", "threshold"])
    joined = found.join(limits, keys=keys)
    return joined.select(TABLES["label_stability"].names).cast(TABLES["label_stability"])


def _rows_at(task: BlockTask, quantiles: list[float]) -> list[pa.Table]:
    """Tally the block once more at each quantile, in one pass over its maps."""
    plan, key, units = task.plan, mask_key(task.plan, task.model), task.stop - task.start
    thresholds = _thresholds(task, quantiles)
    vocabulary = Vocabulary.of(Dataset(plan.data))
    size = len(vocabulary.names), len(vocabulary.categories), mask_size(plan, task.model)
    tallies = [Tally.empty(units, *size) for _ in quantiles]
    axes, half = axes_of(plan, task.model, task.layer), half_values()
    draw = survey_drawing(plan, task.model, task.layer) if plan.of(DissectionOptions).mask_mode == "survey" else None
    for views, masks, (maxima, maps) in read_labelled(task):
        image = plan.views.image[views]
        for tally, threshold in zip(tallies, thresholds, strict=True):
            if draw is None:
                add_to_tally(tally, maps, maxima, threshold, masks, vocabulary.category, *axes, half, image)
            else:
                add_drawn_to_tally(tally, draw(maps, maxima, threshold), masks, vocabulary.category, image)
    labels, eligible = read_labels(plan.run, key), read_eligible(plan.run, key)
    return [
        _table(
            task, vocabulary, quantile, threshold, best_concept(score(tally, labels, vocabulary.category).iou, eligible)
        )
        for quantile, threshold, tally in zip(quantiles, thresholds, tallies, strict=True)
    ]


def _thresholds(task: BlockTask, quantiles: list[float]) -> list[np.ndarray]:
    """Return T of the block's units at each quantile, float32 of shape (U,), as it is compared with stored values."""
    counts = empty_histogram(task.stop - task.start)
    gathered = Gathered(counts)
    for _, _, _, maps in read_views(task):
        gathered.add(maps)
    gathered.flush()
    return [upper_quantile(counts, quantile) for quantile in quantiles]


def _table(task: BlockTask, vocabulary: Vocabulary, quantile: float, threshold: np.ndarray, best: Best) -> pa.Table:
    units = task.stop - task.start
    columns = {
        "model": [task.model.name] * units,
        "layer": [task.layer.name] * units,
        "unit": np.arange(task.start, task.stop, dtype=np.int32),
        "quantile": np.full(units, quantile),
        "threshold": threshold / np.float32(task.plan.options.activation_scale),
        "concept": [None if number < 0 else vocabulary.names[number] for number in best.concept],
        "iou": best.score,
    }
    return pa.table(columns, schema=TABLES["label_stability"])


STABILITY = StageKind(
    "stability",
    reads=(MAPS, MAXIMA, MASKS, THRESHOLDS, UNITS, LABELS),
    writes=(Table("label_stability"),),
    plan=by_units(label_at_quantiles),
    parameters=lambda plan, model: {"quantiles": list(QUANTILES)},
)
