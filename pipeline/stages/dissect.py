"""Stage `dissect`: thresholds, data-set IoU and top images of a block of units, from the stored activations.

Two passes over the images: the first fills the histograms and finds the strongest images, the second tallies. Both stream
image blocks, so that memory does not grow with the number of images.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from operators.dissection import DETECTOR_IOU, Scores, best_concept, score, unit_status
from operators.labels import Labels
from operators.quantile import Gathered, empty_histogram, fraction_above, moments, upper_quantile
from operators.strongest import Strongest
from operators.tally import Tally, add_to_tally, half_values
from pipeline.anchors import axes_of
from pipeline.datasets.layout import Dataset
from pipeline.plan import Plan, PlannedModel
from pipeline.stage import Fingerprint, Output, Stage, blocks
from pipeline.stages import concepts, extract
from pipeline.stages.by_layer import BlockTask, block_stage
from pipeline.stages.concepts import Vocabulary, read_eligible, read_labels
from pipeline.stores import ActivationStore, MaskStore, write_table
from schemas.results import TABLES

#: Images a unit keeps in `unit_image` when the run asks for `top`.
_TOP_ROWS = 1000


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the findings of a model depend on."""
    options = plan.options
    names = ("quantile", "anchoring", "unit_image", "top_images", "unit_block")
    return Fingerprint(
        {name: getattr(options, name) for name in names},
        {
            "extract": extract.fingerprint(plan, model).digest,
            "concepts": concepts.fingerprint(plan, model).digest,
        },
    )


def dissect_stage(plan: Plan) -> Stage:
    """Plan the dissection: one unit for each model, layer and block of units."""
    return block_stage("dissect", plan, fingerprint, dissect)


def dissect(task: BlockTask) -> list[Output]:
    """Dissect one block of units and write its part of every table."""
    written = _Dissection(task)
    tables = {
        "unit_image": written.tally_images(),
        "thresholds": written.thresholds_table(),
        "units": written.units_table(),
        "unit_concept": written.unit_concept_table(),
        "top_images": written.top_images_table(),
    }
    rows, checksums = 0, {}
    for name, pieces in tables.items():
        count, checksums[name] = write_table(task.plan.run, name, task.unit.place, pieces)
        rows += count
    return [Output(task.unit, rows, checksums=checksums)]


@dataclass
class _Dissection:
    """One block of units on its way from activations to tables; `tally_images` must be exhausted before the others."""

    task: BlockTask
    top_maps: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        task, plan = self.task, self.task.plan
        self.key = plan.mask_key(task.model)
        self.store = ActivationStore(plan.run, task.model.name, task.layer.name)
        self.masks = MaskStore(plan.run, self.key)
        self.units = np.arange(task.start, task.stop)
        self.vocabulary, self.views = Vocabulary.of(Dataset(plan.data)), plan.views
        self.blocks = blocks("images", plan.images, plan.options.image_block)
        self._first_pass()

    def _first_pass(self) -> None:
        options = self.task.plan.options
        keep = max(options.top_images, _TOP_ROWS if options.unit_image == "top" else 0)
        counts, strongest = empty_histogram(len(self.units)), Strongest.empty(len(self.units))
        gathered = Gathered(counts)
        for _, images, maxima, maps in self._stream():
            gathered.add(maps)
            strongest = strongest.merge(images, maxima, keep)
        gathered.flush()
        self.threshold = upper_quantile(counts, options.quantile)
        self.moments, self.count = moments(counts), counts.sum(axis=1)
        self.strongest = strongest
        self.activated_fraction = fraction_above(counts, self.threshold)

    def _stream(self) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
        """Yield block name, image numbers, maxima (n, U) and maps (n, U, h, w) of the images that were decoded."""
        span = slice(self.task.start, self.task.stop)
        for name, start, stop in self.blocks:
            maxima = self.store.read_maxima(start, stop, span).astype(np.float32)
            seen = ~np.isnan(maxima[:, 0])
            maps = self.store.read(start, stop, span)
            if not seen.all():
                maxima, maps = maxima[seen], maps[seen]
            yield name, start + np.flatnonzero(seen), maxima, maps

    def tally_images(self) -> Iterator[pa.Table]:
        """Tally every image block, yield its rows of `unit_image` and pick up the maps of the top images."""
        rows, columns = axes_of(self.task.plan, self.task.model, self.task.layer)
        size = self.task.plan.mask_size(self.task.model)
        vocabulary, half = self.vocabulary, half_values()
        self.tally = Tally.empty(len(self.units), len(vocabulary.names), len(vocabulary.categories), size)
        for name, images, maxima, maps in self._stream():
            masks = self.masks.read(name).take(images % self.task.plan.options.image_block)
            activated = add_to_tally(
                self.tally, maps, maxima, self.threshold, masks, vocabulary.category, rows, columns, half
            )
            self._keep_top_maps(images, maps)
            yield self._unit_image_rows(images, maxima, maps, activated)

    def _keep_top_maps(self, images: np.ndarray, maps: np.ndarray) -> None:
        top = self.strongest.image[:, : self.task.plan.options.top_images]
        for unit, place in zip(*np.nonzero(np.isin(top, images)), strict=True):
            image = int(top[unit, place])
            here = int(np.searchsorted(images, image))
            self.top_maps[int(unit), image] = maps[here, unit].astype("<f2").tobytes()

    def _unit_image_rows(
        self, images: np.ndarray, maxima: np.ndarray, maps: np.ndarray, activated: np.ndarray
    ) -> pa.Table:
        mode = self.task.plan.options.unit_image
        chosen = maxima > self.threshold
        if mode == "off":
            chosen[:] = False
        elif mode == "top":
            chosen &= np.stack([np.isin(images, row[:_TOP_ROWS]) for row in self.strongest.image], axis=1)
        image, unit = np.nonzero(chosen)
        position = maps[image, unit].reshape(len(image), -1).argmax(axis=1) if len(image) else np.zeros(0, np.int64)
        width = self.task.layer.width
        return self._rows(
            "unit_image",
            unit,
            image=self.views.image[images[image]],
            view=images[image].astype(np.int32),
            maximum=self._natural(maxima[image, unit]),
            y=(position // width).astype(np.uint16),
            x=(position % width).astype(np.uint16),
            activated=activated[image, unit],
        )

    def _natural(self, values: np.ndarray) -> np.ndarray:
        """Undo the activation scale, a power of two."""
        return values / values.dtype.type(self.task.plan.options.activation_scale)

    def _rows(self, table: str, unit: np.ndarray, **columns: object) -> pa.Table:
        count = len(unit)
        named = {
            "model": pa.array([self.task.model.name] * count, pa.string()),
            "layer": pa.array([self.task.layer.name] * count, pa.string()),
            "unit": self.units[unit].astype(np.int32),
        }
        return pa.table({**named, **columns}, schema=TABLES[table])

    def thresholds_table(self) -> Iterator[pa.Table]:
        """Yield the rows of `thresholds`."""
        quantile = np.full(len(self.units), self.task.plan.options.quantile)
        yield self._rows(
            "thresholds",
            np.arange(len(self.units)),
            threshold=self._natural(self.threshold),
            quantile=quantile,
            count=self.count,
        )

    @cached_property
    def labels(self) -> Labels:
        """Label counts of the geometry."""
        return read_labels(self.task.plan.run, self.key)

    @cached_property
    def scores(self) -> Scores:
        """Every unit against every concept."""
        return score(self.tally, self.labels, self.vocabulary.category)

    def units_table(self) -> Iterator[pa.Table]:
        """Yield the rows of `units`."""
        eligible = read_eligible(self.task.plan.run, self.key)
        best, second = (best_concept(self.scores.iou, eligible, rank=rank) for rank in (0, 1))
        associated = best_concept(self.scores.association, eligible)
        name, category = self._name, self._category
        yield self._rows(
            "units",
            np.arange(len(self.units)),
            status=unit_status(self.moments.minimum, self.moments.maximum, self.threshold).tolist(),
            concept=name(best.concept),
            category=category(best.concept),
            iou=best.score,
            detector=best.score > DETECTOR_IOU,
            runner_up=name(second.concept),
            runner_up_iou=pa.array(second.score, mask=second.concept < 0),
            association_concept=name(associated.concept),
            association=associated.score,
            activated_fraction=self.activated_fraction,
            minimum=self._natural(self.moments.minimum),
            maximum=self._natural(self.moments.maximum),
            mean=self._natural(self.moments.mean),
            standard_deviation=self._natural(self.moments.standard_deviation),
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

    def unit_concept_table(self) -> Iterator[pa.Table]:
        """Yield the rows of `unit_concept`, the full matrix."""
        scores, names = self.scores, self.vocabulary.names
        units, count = len(self.units), len(names)
        yield self._rows(
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

    def top_images_table(self) -> Iterator[pa.Table]:
        """Yield the rows of `top_images`."""
        keep = self.task.plan.options.top_images
        image, maximum = self.strongest.image[:, :keep], self.strongest.maximum[:, :keep]
        unit, rank = np.nonzero(np.ones_like(image))
        count = len(unit)
        yield self._rows(
            "top_images",
            unit,
            rank=rank.astype(np.int32),
            image=self.views.image[image[unit, rank]],
            view=image[unit, rank].astype(np.int32),
            maximum=self._natural(maximum[unit, rank]),
            height=np.full(count, self.task.layer.height, np.uint16),
            width=np.full(count, self.task.layer.width, np.uint16),
            map=[self.top_maps[int(u), int(image[u, r])] for u, r in zip(unit, rank, strict=True)],
        )


def _nullable(values: np.ndarray) -> pa.Array:
    flat = values.ravel()
    return pa.array(flat, mask=np.isnan(flat))
