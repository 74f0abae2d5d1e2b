"""Stage `null`: a block of units under permuted annotations, on images that were held out, and under shifted masks.

Three passes over the images. The first finds the thresholds of the training parts; the second tallies the intersections of
every permutation and training part; the third follows the chosen concepts alone, on the images that did not choose them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from filterscope.operators.activations.fold_quantiles import FoldHistogram
from filterscope.operators.dissection.activated import Activated
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import LEFT_OUT, Strata, add_activated, labelled_pixels
from filterscope.operators.statistics.place import add_shifted, random_shifts
from filterscope.operators.statistics.replication import (
    add_overlaps,
    balanced_folds,
    best_of,
    bootstrap_weights,
    overlaps,
)
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.annotated import AnnotatedBlock, Draws, Maps
from filterscope.pipeline.methods.dissection.artifacts import ANNOTATIONS, LABELS, THRESHOLDS
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_size
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.stores.arrays import write_arrays
from filterscope.pipeline.stores.artifacts import Artifact

#: Permutations of the annotations, shifts of the masks, folds of the images, and bootstrap samples of what is left out.
PERMUTATIONS, SHIFTS, FOLDS, SAMPLES = 50, 50, 8, 100

#: A half of the images is every other fold.
_HALVES = np.arange(FOLDS) % 2 == np.arange(2)[:, None]


def null_path(run: Path, place: Sequence[str]) -> Path:
    """Return where the null of a block of units lies."""
    return run.joinpath("null", *place[:-1], f"{place[-1]}.npz")


def find_null(task: BlockTask) -> list[Output]:
    """Test one block of units and store what the layer is pooled from."""
    block = _Block(task)
    block.find_thresholds()
    block.tally()
    block.follow_choices()
    digest = write_arrays(null_path(task.plan.run, task.key.place), block.findings())
    return [Output(task.key, task.stop - task.start, checksums={NULL.name: digest})]


class _Block(AnnotatedBlock):
    """One block of units on its way from activations to findings; the passes run in order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        plan = self.task.plan
        self.identity, self.shape = plan.data_identity, mask_size(plan, self.task.model)
        self.fold = _folds(Dataset(plan.data), self.identity)[self.image]
        self.half = self.fold % 2

    def _source(self, views: np.ndarray) -> np.ndarray:
        """Return whose labels views (bool, by number) get: in each permutation, and last as annotated."""
        source = np.full((PERMUTATIONS + 1, len(self.image)), LEFT_OUT, np.int32)
        source[:, views] = self.givers[:, views]
        return source

    def _as_annotated(self, views: np.ndarray) -> np.ndarray:
        return np.where(views, np.arange(len(self.image)), LEFT_OUT)[None]

    def find_thresholds(self) -> None:
        """Find T on each half of the images, and on all folds but one."""
        counts = FoldHistogram(self.units, FOLDS)
        for part in self.parts():
            counts.add(part.maps, self.fold[part.views])
        found = counts.thresholds(
            np.concatenate([_HALVES, ~np.eye(FOLDS, dtype=bool)]), self.task.plan.of(DissectionOptions).quantile
        )
        self.of_half, self.of_training = found[:2], found[2:]

    def tally(self) -> None:
        """Tally all permutations, halves and training parts, and choose on each."""
        seen = np.zeros(len(self.image), bool)
        seen[self.decoded] = True
        strata = Strata(self.decoded, self.group[self.decoded], self.kinds[self.decoded])
        self.givers = np.full((PERMUTATIONS + 1, len(self.image)), LEFT_OUT, np.int32)
        for number in range(PERMUTATIONS):
            permuted = strata.permuted(seed_of(self.identity, "permutation", number))
            self.givers[number, : len(permuted)] = permuted
        self.givers[-1, self.decoded] = self.decoded
        whole = Draws(self, self._source(seen))
        halves = [Draws(self, self._source(seen & (self.half == half))) for half in (0, 1)]
        training = [Draws(self, self._as_annotated(seen & (self.fold != fold))) for fold in range(FOLDS)]
        for part in self.parts():
            whole.add(part, self.threshold)
            for draws, threshold in zip((*halves, *training), (*self.of_half, *self.of_training), strict=True):
                draws.add(part, threshold)
        self.seen = seen
        iou = whole.iou()
        self.best, self.labels = iou.max(axis=1, initial=0.0), best_of(iou)
        self.label = self.named(self.labels[-1])
        chosen = np.stack([best_of(draws.iou()) for draws in halves])
        self.agree = (chosen == self.labels).all(axis=0) & (self.labels >= 0)
        self._choose(training)

    def _choose(self, training: Sequence[Draws]) -> None:
        """Choose the best concept on each training part."""
        iou, union = (np.concatenate([found(draws) for draws in training]) for found in (Draws.iou, Draws.union))
        best = best_of(iou)
        place = np.maximum(best, 0)[:, None]
        self.chosen, found = self.named(best), best >= 0
        if iou.shape[1]:
            iou, union = (np.take_along_axis(values, place, 1)[:, 0] for values in (iou, union))
        else:
            iou, union = np.zeros(best.shape), np.zeros(best.shape)
        groups = [len(np.unique(self.group[self.seen & (self.fold == fold)])) for fold in range(FOLDS)]
        self.share = np.array(groups) / max(sum(groups), 1)
        share = self.share[:, None]
        self.training = (
            np.where(found, iou, 0.0),
            np.where(found & (share < 1), union * share / np.maximum(1 - share, 1e-9), 0),
        )

    def follow_choices(self) -> None:
        """Meet each chosen concept on the images that did not choose it, and the label under shifted masks."""
        self.sums = np.zeros((2, FOLDS, self.units), np.int64)
        self.samples = np.zeros((2, SAMPLES, FOLDS, self.units), np.int64)
        self.shifted = np.zeros((SHIFTS, self.units), np.int64)
        self.groups = _GroupSums(self.group, self.seen, self.units)
        self.halves = [_OtherHalf(self, half) for half in (0, 1)]
        for part in self.parts():
            for half in self.halves:
                half.add(part)
            self._add_left_out(part)
            self._add_shifted(part)

    def _add_left_out(self, part: Maps) -> None:
        """Sum I and the union of each fold's images with the concept that the others chose, plainly and resampled."""
        views = part.views
        weights = bootstrap_weights(seed_of(self.identity, "bootstrap"), self.group[views], SAMPLES).T.astype(
            np.float64
        )
        for fold in np.unique(self.fold[views]).tolist():
            here = self.fold[views] == fold
            drawn, area = self.activated(part, self.of_training[fold], here)
            chosen = np.broadcast_to(self.chosen[fold], area.shape)
            for number, values in enumerate(self._overlaps(views, drawn, area, chosen)):
                own = values[here].astype(np.float64)
                self.sums[number, fold] += own.sum(axis=0).astype(np.int64)
                # whole numbers far below 2^53: the product is exact in any order
                self.samples[number, :, fold] += (weights[:, here] @ own).astype(np.int64)

    def _add_shifted(self, part: Maps) -> None:
        views = part.views
        drawn, area = self.activated(part, self.threshold)
        label = np.broadcast_to(self.label, area.shape)
        self.groups.add(views, overlaps(drawn, self.masks, views, label))
        seed = seed_of(self.identity, "place")
        shifts = random_shifts(seed, int(views[0]), int(views[-1]) + 1, SHIFTS, self.shape)[views - views[0]]
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
        passed = np.stack([half.iou() > DETECTOR_IOU for half in self.halves]).all(axis=0)
        replicates = self.agree & passed
        same = (self.chosen == self.label) & (self.label >= 0)
        common, union = (self.sums * same).sum(axis=1)
        enough = (same.sum(axis=0) >= FOLDS / 2) & (union > 0)
        p_place = (1 + (self.shifted >= self.groups.total).sum(axis=0)) / (1 + SHIFTS)
        return {
            "null": self.best[:-1],
            "observed": self.best[-1],
            "label": self.label,
            "halves_agree": self.agree[-1],
            "replicates": replicates[-1],
            "null_replicates": replicates[:-1],
            "folds_agree": same.sum(axis=0),
            "iou_heldout": np.divide(common, union, out=np.full(self.units, np.nan), where=enough),
            "training_iou": self.training[0],
            "expected_union": self.training[1],
            "sums": self.sums,
            "samples": self.samples,
            "share": self.share,
            "effective_groups": self.groups.effective(),
            "p_place": np.where(self.label < 0, np.nan, p_place),
        }


class _OtherHalf:
    """The label that a half of the images chose, on the other half: for every permutation, and last as annotated."""

    def __init__(self, block: _Block, half: int) -> None:
        self._block, self._threshold = block, block.of_half[half]
        self._views = block.seen & (block.half != half)
        self._chosen = block.named(np.where(block.agree, block.labels, -1))
        self._source = block._source(self._views)
        self._common = np.zeros(self._chosen.shape, np.int64)
        self._activated = np.zeros((len(self._chosen), block.categories, block.units), np.int64)

    def add(self, part: Maps) -> None:
        """Add the views of a part that are in the other half."""
        block, source = self._block, self._source[:, part.views]
        drawn, area = block.activated(part, self._threshold, self._views[part.views])
        add_overlaps(self._common, drawn, block.masks, source, self._chosen)
        add_activated(self._activated, area, block.kinds, source)

    def iou(self) -> np.ndarray:
        """Return the IoU, float64 of shape (draws, U); 0 where the halves do not agree."""
        block, chosen = self._block, np.maximum(self._chosen, 0)
        labelled = labelled_pixels(block.masks, self._source, len(block.category))
        activated = np.take_along_axis(self._activated, block.category[chosen][:, None], 1)[:, 0]
        union = activated + np.take_along_axis(labelled, chosen, 1) - self._common
        wanted = (self._chosen >= 0) & (union > 0)
        return np.divide(self._common, union, out=np.zeros(union.shape), where=wanted)


class _GroupSums:
    """I of the label by group, of which only the sum and the sum of squares are kept: a group's own until its last view."""

    def __init__(self, group: np.ndarray, seen: np.ndarray, units: int) -> None:
        self._group, self._left = group, np.bincount(group[seen], minlength=len(group))
        self._open: dict[int, np.ndarray] = {}
        self.total, self._squares = np.zeros(units, np.int64), np.zeros(units)

    def add(self, views: np.ndarray, common: np.ndarray) -> None:
        """Add I of n views, int64 of shape (n, U)."""
        self.total += common.sum(axis=0)
        numbers, place = np.unique(self._group[views], return_inverse=True)
        for index, number in enumerate(numbers.tolist()):
            here = place.ravel() == index
            own = self._open.pop(number, 0) + common[here].sum(axis=0)
            self._left[number] -= here.sum()
            if self._left[number]:
                self._open[number] = own
            else:
                self._squares += own.astype(np.float64) ** 2

    def effective(self) -> np.ndarray:
        """Return (sum of I)^2 / sum of I^2 over groups, float64 of shape (U,); 0 where the label is nowhere met."""
        total = self.total.astype(np.float64) ** 2
        return np.divide(total, self._squares, out=np.zeros(len(total)), where=self._squares > 0)


def _folds(dataset: Dataset, identity: str) -> np.ndarray:
    """Return the fold of each image: groups are dealt in an order of chance, and copies of an image share its fold."""
    images = dataset.images.select(["group", "sha256"]).to_pylist()
    keys = [f"{seed_of(identity, 'fold', row['group'] or row['sha256']):032x}" for row in images]
    return balanced_folds(np.array(keys), FOLDS)


#: What each block of units of a layer is pooled from.
NULL = Artifact.single("null", null_path)

NULL_STAGE = StageKind(
    "null",
    reads=(MAPS, MAXIMA, THRESHOLDS, ANNOTATIONS, LABELS),
    writes=(NULL,),
    plan=by_units(find_null),
    parameters=lambda plan, model: {
        "permutations": PERMUTATIONS,
        "shifts": SHIFTS,
        "folds": FOLDS,
        "samples": SAMPLES,
        "quantile": plan.of(DissectionOptions).quantile,
    },
)
