"""Stage `null`: best IoUs of a block of units under permuted annotations, on held-out images and under shifted masks.

Two passes over the images. The first tallies the intersections of every permutation, and those of the two folds of images
as they are annotated; the second follows the chosen concepts alone, image by image, for the bootstrap and the shifts.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from filterscope.operators.dissection.activated import Activated
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import LEFT_OUT, Strata, add_intersections, iou_of
from filterscope.operators.statistics.place import add_shifted, random_shifts
from filterscope.operators.statistics.replication import Choice, bootstrap_weights, interval, overlaps
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.annotated import AnnotatedBlock
from filterscope.pipeline.methods.dissection.artifacts import ANNOTATIONS, LABELS, THRESHOLDS
from filterscope.pipeline.methods.dissection.options import mask_size
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.stores.arrays import write_arrays
from filterscope.pipeline.stores.artifacts import Artifact

#: Permutations of the annotations, bootstrap samples, and shifts of the masks.
PERMUTATIONS, SAMPLES, SHIFTS = 50, 1000, 50


def null_path(run: Path, place: Sequence[str]) -> Path:
    """Return where the null of a block of units lies."""
    return run.joinpath("null", *place[:-1], f"{place[-1]}.npz")


def find_null(task: BlockTask) -> list[Output]:
    """Test one block of units and store what the layer is pooled from."""
    block = _Block(task)
    block.tally()
    block.follow_choices()
    digest = write_arrays(null_path(task.plan.run, task.key.place), block.findings())
    return [Output(task.key, task.stop - task.start, checksums={NULL.name: digest})]


class _Block(AnnotatedBlock):
    """One block of units on its way from activations to findings; the two passes run in order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        plan = self.task.plan
        self.shape = mask_size(plan, self.task.model)
        self.fold = _folds(Dataset(plan.data))[self.image]

    @cached_property
    def source(self) -> np.ndarray:
        """Whose labels each view gets: in each permutation, then as annotated on either fold alone."""
        identity, views = self.task.plan.data_identity, self.decoded
        strata = Strata(views, self.image[views], self.kinds[views])
        source = np.full((PERMUTATIONS + 2, len(self.image)), LEFT_OUT, np.int32)
        for number in range(PERMUTATIONS):
            permuted = strata.permuted(seed_of(identity, "permutation", number))
            source[number, : len(permuted)] = permuted
        for fold in (0, 1):
            own = views[self.fold[views] == fold]
            source[PERMUTATIONS + fold, own] = own
        return source

    def tally(self) -> None:
        """Tally all permutations and folds; choose on each fold and on all images."""
        intersection = np.zeros((len(self.source), len(self.eligible), self.units), np.int64)
        activated = np.zeros((2, self.categories, self.units), np.int64)
        for views, drawn, area in self.stream():
            add_intersections(intersection, drawn, self.masks, self.slot, self.source[:, views])
            for fold in (0, 1):
                here = self.fold[views] == fold
                activated[fold] += self.kinds[views[here]].T.astype(np.int64) @ area[here]
        activated = activated[:, self.category[self.eligible]]
        labelled = self._labelled_pixels()
        self.null = _best(iou_of(intersection[:PERMUTATIONS], activated.sum(axis=0), labelled.sum(axis=0)))
        folds = intersection[PERMUTATIONS:]
        iou = iou_of(folds.sum(axis=0), activated.sum(axis=0), labelled.sum(axis=0))
        self.observed = _best(iou)
        self.label = self.named(np.where(self.observed > 0, iou.argmax(axis=0), -1) if len(iou) else self.observed)
        choice = Choice.of(folds, activated, labelled)
        self.choice = Choice(np.stack([self.named(chosen) for chosen in choice.concept]), choice.held_out)

    def _labelled_pixels(self) -> np.ndarray:
        """Return G of each fold, int64 of shape (2, eligible concepts, 1)."""
        seen = np.zeros(len(self.image), bool)
        seen[self.decoded] = True
        return np.stack([self.labelled(seen & (self.fold == fold)) for fold in (0, 1)])

    def follow_choices(self) -> None:
        """Sum I and the union of each image's held-out concept, plainly and resampled; and I under shifted masks."""
        identity = self.task.plan.data_identity
        seeds = seed_of(identity, "bootstrap"), seed_of(identity, "place")
        self.samples = np.zeros((2, SAMPLES, self.units), np.int64)
        self.held_out = np.zeros((2, self.units), np.int64)
        self.shifted = np.zeros((SHIFTS, self.units), np.int64)
        self.met = np.zeros(self.units, np.int64)
        for views, drawn, area in self.stream():
            if not len(views):
                continue
            common, union = self._overlaps(views, drawn, area, self.choice.concept[1 - self.fold[views]])
            self.held_out += np.stack([common.sum(axis=0), union.sum(axis=0)])
            image = self.image[views]
            low, high = int(image.min()), int(image.max()) + 1
            # whole numbers far below 2^53: the product is exact in any order
            weights = bootstrap_weights(seeds[0], low, high, SAMPLES)[image - low].T.astype(np.float64)
            for number, values in enumerate((common, union)):
                self.samples[number] += (weights @ values.astype(np.float64)).astype(np.int64)
            label = np.broadcast_to(self.label, area.shape)
            self.met += overlaps(drawn, self.masks, views, label).sum(axis=0)
            shifts = random_shifts(seeds[1], int(views[0]), int(views[-1]) + 1, SHIFTS, self.shape)[views - views[0]]
            add_shifted(self.shifted, drawn, self.masks, views, self.label, self.shape[1], shifts)

    def _overlaps(
        self, views: np.ndarray, drawn: Activated, area: np.ndarray, chosen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return I and the union of the chosen concept of each view and unit, (n, U); 0 where none is chosen."""
        common = overlaps(drawn, self.masks, views, chosen)
        labelled = np.zeros((len(views), len(self.category)), np.int64)
        for place, view in enumerate(views.tolist()):
            own = slice(self.masks.first[view], self.masks.first[view + 1])
            labelled[place, self.masks.concept[own]] = self.masks.area[own]
        row = np.arange(len(views))[:, None]
        has_category = self.kinds[views][row, self.category[chosen]]
        union = area * has_category + labelled[row, chosen] - common
        return common, np.where(chosen < 0, 0, union)

    def findings(self) -> dict[str, np.ndarray]:
        """Return what the layer is pooled from; NaN where there is nothing to measure."""
        low, high = interval(self.samples)
        common, union = self.held_out
        chosen = union > 0
        held_out = np.divide(common, union, out=np.full(self.units, np.nan), where=chosen)
        p_place = (1 + (self.shifted >= self.met).sum(axis=0)) / (1 + SHIFTS)
        return {
            "null": self.null,
            "observed": self.observed,
            "label": self.label,
            "replicates": self.choice.replicates(self.label, DETECTOR_IOU),
            "iou_heldout": held_out,
            "low": np.where(chosen, low, np.nan),
            "high": np.where(chosen, high, np.nan),
            "p_place": np.where(self.label < 0, np.nan, p_place),
        }


def _best(iou: np.ndarray) -> np.ndarray:
    """Return the highest IoU over the concepts (the axis before the last), 0 where there are none."""
    return iou.max(axis=-2, initial=0.0)


def _folds(dataset: Dataset) -> np.ndarray:
    """Return the fold of each image, 0 or 1 by its digest, so that a copy of an image is in the same fold."""
    return np.array([int(digest[-1], 16) & 1 for digest in dataset.images["sha256"].to_pylist()])


#: What each block of units of a layer is pooled from.
NULL = Artifact.single("null", null_path)

NULL_STAGE = StageKind(
    "null",
    reads=(MAPS, MAXIMA, THRESHOLDS, ANNOTATIONS, LABELS),
    writes=(NULL,),
    plan=by_units(find_null),
    parameters=lambda plan, model: {"permutations": PERMUTATIONS, "samples": SAMPLES, "shifts": SHIFTS},
)
