"""Stage `dissect`: thresholds, data-set IoU and top images of a block of units.

From stored activations, in two passes over the images that stream image blocks, so that memory does not grow with the
number of images; or, where activations are not stored, from what two forward passes (`extraction.passes`) left.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filterscope.operators.activations.quantile import Gathered, empty_histogram
from filterscope.operators.activations.strongest import Strongest
from filterscope.operators.dissection.labels import Labels
from filterscope.operators.dissection.scores import DETECTOR_IOU, Scores, best_concept, score, unit_status
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, blocks
from filterscope.pipeline.methods.dissection import concepts
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible, read_labels
from filterscope.pipeline.methods.dissection.second_pass import SecondPass, Statistics, kept_images
from filterscope.pipeline.methods.extraction import extract
from filterscope.pipeline.methods.tasks import BlockTask, block_stage
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore, MaskStore, table_path, write_table
from filterscope.pipeline.stores.places import readable
from filterscope.pipeline.views.whole_images import Part, whole_images


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the findings of a model depend on."""
    options = plan.options
    names = ("quantile", "anchoring", "mask_mode", "unit_image", "top_images", "unit_block")
    return Fingerprint(
        {name: getattr(options, name) for name in names},
        {
            "extract": extract.fingerprint(plan, model).digest,
            "concepts": concepts.fingerprint(plan, model).digest,
        },
    )


def dissect_stage(plan: Plan) -> Stage:
    """Plan the dissection: one unit for each model, layer and block of units."""
    from filterscope.pipeline.methods.dissection.tallies import dissect_tallies

    return block_stage("dissect", plan, fingerprint, dissect if plan.options.stored else dissect_tallies)


def dissect(task: BlockTask) -> list[Output]:
    """Dissect one block of units from its stored activations and write its part of every table."""
    statistics = _first_pass(task)
    second = SecondPass(task, statistics)
    return write_findings(task, second, _second_pass(task, second))


def write_findings(task: BlockTask, second: SecondPass, unit_image: Iterable[pa.Table]) -> list[Output]:
    """Write a block's part of every table; `second` is complete once `unit_image` is exhausted."""
    rows, checksums = 0, {}
    count, checksums["unit_image"] = write_table(task.plan.run, "unit_image", task.unit.place, unit_image)
    rows += count
    findings = _Findings(task, second)
    tables = {
        "thresholds": findings.thresholds_table(),
        "activation_histograms": findings.histograms_table(),
        "units": findings.units_table(),
        "unit_concept": findings.unit_concept_table(),
        "top_images": findings.top_images_table(),
    }
    for name, piece in tables.items():
        count, checksums[name] = write_table(task.plan.run, name, task.unit.place, [piece])
        rows += count
    return [Output(task.unit, rows, checksums=checksums)]


def _first_pass(task: BlockTask) -> Statistics:
    counts, strongest = empty_histogram(task.stop - task.start), Strongest.empty(task.stop - task.start)
    gathered, keep = Gathered(counts), kept_images(task.plan.options)
    for _, images, maxima, maps in read_views(task):
        gathered.add(maps)
        strongest = strongest.merge(images, maxima, keep)
    gathered.flush()
    return Statistics.of(counts, strongest, task.plan.options.quantile)


def _second_pass(task: BlockTask, second: SecondPass) -> Iterator[pa.Table]:
    """Tally every image block and yield its rows of `unit_image`."""
    for images, masks, (maxima, maps) in read_labelled(task):
        yield second.add(images, maxima, maps, masks)


def read_thresholds(task: BlockTask) -> np.ndarray:
    """Read T of a block's units, float32 of shape (U,), as it was compared with stored values."""
    path = table_path(task.plan.run, "thresholds", task.unit.place)
    table = pq.read_table(readable(path), columns=["unit", "threshold"], partitioning=None)
    natural = table.sort_by("unit")["threshold"].to_numpy()
    return natural * np.float32(task.plan.options.activation_scale)


def read_views(task: BlockTask) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield block name, numbers, maxima (n, U) and maps (n, U, h, w) of the views that were decoded, block by block."""
    store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
    span = slice(task.start, task.stop)
    for name, start, stop in blocks("images", task.plan.images, task.plan.options.image_block):
        maxima = store.read_maxima(start, stop, span).astype(np.float32)
        seen = ~np.isnan(maxima[:, 0])
        maps = store.read(start, stop, span)
        if not seen.all():
            maxima, maps = maxima[seen], maps[seen]
        yield name, start + np.flatnonzero(seen), maxima, maps


def read_labelled(task: BlockTask) -> Iterator[Part]:
    """Yield numbers, masks, and maxima and maps as of `read_views`, of all decoded views; those of an image together."""
    store, plan = MaskStore(task.plan.run, task.plan.mask_key(task.model)), task.plan
    parts = (
        (views, store.read(name).take(views % plan.options.image_block), (maxima, maps))
        for name, views, maxima, maps in read_views(task)
    )
    return whole_images(parts, plan.views.image)


@dataclass
class _Findings:
    """The tables of one block of units."""

    task: BlockTask
    second: SecondPass

    def __post_init__(self) -> None:
        plan = self.task.plan
        self.key = plan.mask_key(self.task.model)
        self.statistics = self.second.statistics
        self.units = np.arange(self.task.start, self.task.stop)
        self.vocabulary, self.views = Vocabulary.of(Dataset(plan.data)), plan.views

    def _natural(self, values: np.ndarray) -> np.ndarray:
        return self.second.natural(values)

    def _rows(self, table: str, unit: np.ndarray, **columns: object) -> pa.Table:
        return self.second.rows(table, unit, **columns)

    def histograms_table(self) -> pa.Table:
        """Return the rows of `activation_histograms`."""
        found = self.statistics
        return self._rows(
            "activation_histograms",
            np.arange(len(self.units)),
            low=self._natural(found.moments.minimum),
            high=self._natural(found.moments.maximum),
            counts=found.histogram.tolist(),
        )

    def thresholds_table(self) -> pa.Table:
        """Return the rows of `thresholds`."""
        quantile = np.full(len(self.units), self.task.plan.options.quantile)
        return self._rows(
            "thresholds",
            np.arange(len(self.units)),
            threshold=self._natural(self.statistics.threshold),
            quantile=quantile,
            count=self.statistics.count,
        )

    @cached_property
    def labels(self) -> Labels:
        """Label counts of the geometry."""
        return read_labels(self.task.plan.run, self.key)

    @cached_property
    def scores(self) -> Scores:
        """Every unit against every concept."""
        return score(self.second.tally, self.labels, self.vocabulary.category)

    def units_table(self) -> pa.Table:
        """Return the rows of `units`."""
        eligible = read_eligible(self.task.plan.run, self.key)
        best, second = (best_concept(self.scores.iou, eligible, rank=rank) for rank in (0, 1))
        associated = best_concept(self.scores.association, eligible)
        name, category = self._name, self._category
        return self._rows(
            "units",
            np.arange(len(self.units)),
            status=unit_status(
                self.statistics.moments.minimum, self.statistics.moments.maximum, self.statistics.threshold
            ).tolist(),
            concept=name(best.concept),
            category=category(best.concept),
            iou=best.score,
            detector=best.score > DETECTOR_IOU,
            runner_up=name(second.concept),
            runner_up_iou=pa.array(second.score, mask=second.concept < 0),
            association_concept=name(associated.concept),
            association=associated.score,
            activated_fraction=self.statistics.activated_fraction,
            minimum=self._natural(self.statistics.moments.minimum),
            maximum=self._natural(self.statistics.moments.maximum),
            mean=self._natural(self.statistics.moments.mean),
            standard_deviation=self._natural(self.statistics.moments.standard_deviation),
            best_per_category=self._best_per_category(eligible),
        )

    def _name(self, concept: np.ndarray) -> list[str | None]:
        return [None if number < 0 else self.vocabulary.names[number] for number in concept]

    def _category(self, concept: np.ndarray) -> list[str | None]:
        numbers = [None if c < 0 else self.vocabulary.category[c] for c in concept]
        return [None if number is None else self.vocabulary.categories[number] for number in numbers]

    def _best_per_category(self, eligible: np.ndarray) -> list[list[dict[str, object]]]:
        rows: list[list[dict[str, object]]] = [[] for _ in self.units]
        for number, category in enumerate(self.vocabulary.categories):
            best = best_concept(self.scores.iou, eligible & (self.vocabulary.category == number))
            for row, concept, iou in zip(rows, self._name(best.concept), best.score, strict=True):
                if concept is not None:
                    row.append({"category": category, "concept": concept, "iou": float(iou)})
        return rows

    def unit_concept_table(self) -> pa.Table:
        """Return the rows of `unit_concept`, the full matrix."""
        scores, names = self.scores, self.vocabulary.names
        units, count = len(self.units), len(names)
        return self._rows(
            "unit_concept",
            np.repeat(np.arange(units), count),
            concept=names * units,
            category=self._category(np.arange(count)) * units,
            intersection=scores.intersection.ravel(),
            activated=scores.activated.ravel(),
            labelled=scores.labelled.ravel(),
            iou=scores.iou.ravel(),
            association=_nullable(scores.association),
            lift=_nullable(scores.lift),
            effective_images=scores.effective_images.ravel(),
            standard_error=_nullable(scores.standard_error),
        )

    def top_images_table(self) -> pa.Table:
        """Return the rows of `top_images`."""
        keep = self.task.plan.options.top_images
        image, maximum = self.statistics.strongest.image[:, :keep], self.statistics.strongest.maximum[:, :keep]
        unit, rank = np.nonzero(np.ones_like(image))
        count = len(unit)
        return self._rows(
            "top_images",
            unit,
            rank=rank.astype(np.int32),
            image=self.views.image[image[unit, rank]],
            view=image[unit, rank].astype(np.int32),
            maximum=self._natural(maximum[unit, rank]),
            height=np.full(count, self.task.layer.height, np.uint16),
            width=np.full(count, self.task.layer.width, np.uint16),
            map=[self.second.top_maps[int(u), int(image[u, r])] for u, r in zip(unit, rank, strict=True)],
        )


def _nullable(values: np.ndarray) -> pa.Array:
    flat = values.ravel()
    return pa.array(flat, mask=np.isnan(flat))
