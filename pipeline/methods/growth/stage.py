"""Stage `growth`: which units of a block are detectors on nested samples of the images, as annotated and by chance.

Thresholds and eligible concepts are those of all images, so that the number of images alone changes; one pass over the
images tallies all samples and their permutations.
"""

import numpy as np
import pyarrow as pa

from filterscope.operators.dissection.growth import nested_samples
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import LEFT_OUT, Strata
from filterscope.operators.statistics.replication import best_of
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.annotated import AnnotatedBlock, Draws, parameters_of_strata
from filterscope.pipeline.methods.dissection.artifacts import ANNOTATIONS, LABELS, THRESHOLDS
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: A sample holds one in so many groups of images.
PARTS = (8, 4, 2, 1)
#: Permutations of the annotations of each sample.
PERMUTATIONS = 10


def detect_on_samples(task: BlockTask) -> list[Output]:
    """Tally one block of units on every sample and write its part of `detector_growth`."""
    block = AnnotatedBlock(task)
    samples, source = _samples(block)
    tallied = Draws(block, source)
    for part in block.parts():
        tallied.add(part, block.threshold)
    iou = tallied.iou().reshape(len(samples), 1 + PERMUTATIONS, -1, block.units)
    tables = [_table(block, own, len(np.unique(block.image[sample]))) for sample, own in zip(samples, iou, strict=True)]
    table = pa.concat_tables(tables).sort_by([("unit", "ascending"), ("images", "ascending")])
    rows, digest = write_table(task.plan.run, "detector_growth", task.key.place, [table])
    return [Output(task.key, rows, checksums={"detector_growth": digest})]


def _samples(block: AnnotatedBlock) -> tuple[np.ndarray, np.ndarray]:
    """Return which views each sample holds, and for each sample whose labels they get: as annotated, then permuted."""
    identity, views = block.task.plan.data_identity, block.decoded
    drawn = nested_samples(block.group[views], PARTS, seed_of(identity, "growth"))
    drawn = drawn[np.unique(drawn.sum(axis=1), return_index=True)[1]]  # samples of few images may be the same
    samples = np.zeros((len(drawn), len(block.image)), bool)
    samples[:, views] = drawn
    source = np.full((len(samples), 1 + PERMUTATIONS, len(block.image)), LEFT_OUT, np.int32)
    for number, sample in enumerate(samples):
        own = np.flatnonzero(sample)
        source[number, 0, own] = own
        strata = Strata(own, block.group[own], block.kinds[own])
        for draw in range(PERMUTATIONS):
            permuted = strata.permuted(seed_of(identity, "growth", len(own), draw))
            source[number, 1 + draw, : len(permuted)] = permuted
    return samples, source.reshape(-1, len(block.image))


def _table(block: AnnotatedBlock, iou: np.ndarray, images: int) -> pa.Table:
    """Return the rows of one sample, from IoUs of shape (1 + permutations, eligible concepts, U)."""
    task, units = block.task, block.units
    best = iou.max(axis=1, initial=0.0)
    concept = block.named(best_of(iou[0]))
    columns = {
        "model": [task.model.name] * units,
        "layer": [task.layer.name] * units,
        "unit": np.arange(task.start, task.stop, dtype=np.int32),
        "images": np.full(units, images, np.int32),
        "concept": [None if number < 0 else block.vocabulary.names[number] for number in concept],
        "iou": best[0],
        "detector": best[0] > DETECTOR_IOU,
        "chance": (best[1:] > DETECTOR_IOU).mean(axis=0),
    }
    return pa.table(columns, schema=TABLES["detector_growth"])


GROWTH = StageKind(
    "growth",
    reads=(MAPS, MAXIMA, THRESHOLDS, ANNOTATIONS, LABELS),
    writes=(Table("detector_growth"),),
    plan=by_units(detect_on_samples),
    parameters=lambda plan, model: {"parts": list(PARTS), "permutations": PERMUTATIONS, **parameters_of_strata(plan)},
)
