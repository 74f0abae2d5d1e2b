"""Tables of dissection: thresholds, units, concepts, top images of a block of units."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from filterscope.operators.dissection.labels import Labels
from filterscope.operators.dissection.scores import (
    DETECTOR_IOU,
    Scores,
    best_concept,
    score,
    strongest_concepts,
    unit_status,
)
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible, read_labels
from filterscope.pipeline.methods.dissection.options import DissectionOptions, kept_concepts, mask_key
from filterscope.pipeline.methods.dissection.second_pass import SecondPass
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.pipeline.stores.tables import write_table


def write_findings(task: BlockTask, second: SecondPass, unit_image: Iterable[pa.Table]) -> list[Output]:
    """Write a block's part of every table; `second` is complete once `unit_image` is exhausted."""
    rows, checksums = 0, {}
    count, checksums["unit_image"] = write_table(task.plan.run, "unit_image", task.key.place, unit_image)
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
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, [piece])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


@dataclass
class _Findings:
    """The tables of one block of units."""

    task: BlockTask
    second: SecondPass

    def __post_init__(self) -> None:
        plan = self.task.plan
        self.key = mask_key(plan, self.task.model)
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
        quantile = np.full(len(self.units), self.task.plan.of(DissectionOptions).quantile)
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
        """Return the rows of `unit_concept`: the full matrix, or of each unit the concepts of highest IoU."""
        scores, plan = self.scores, self.task.plan
        kept = kept_concepts(plan)
        concept = (
            np.tile(np.arange(len(self.vocabulary.names)), (len(self.units), 1))
            if kept is None
            else strongest_concepts(scores.iou, read_eligible(plan.run, self.key), kept)
        )

        def of(values: np.ndarray) -> np.ndarray:
            return np.take_along_axis(np.broadcast_to(values, scores.iou.shape), concept, 1).ravel()

        return self._rows(
            "unit_concept",
            np.repeat(np.arange(len(concept)), concept.shape[1]),
            concept=self._name(concept.ravel()),
            category=self._category(concept.ravel()),
            intersection=of(scores.intersection),
            activated=of(scores.activated),
            labelled=of(scores.labelled),
            iou=of(scores.iou),
            association=_nullable(of(scores.association)),
            lift=_nullable(of(scores.lift)),
            effective_images=of(scores.effective_images),
            # images of a group are not independent, and their sums are not kept by group
            standard_error=_nullable(of(np.full_like(scores.iou, np.nan) if plan.grouped else scores.standard_error)),
        )

    def top_images_table(self) -> pa.Table:
        """Return the rows of `top_images`."""
        keep = self.task.plan.of(DissectionOptions).top_images
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
    return pa.array(values, mask=np.isnan(values))
