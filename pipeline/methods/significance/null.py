"""Stage `null`: a block of units under permuted annotations, on images that were held out, and under shifted masks.

Three passes over the images. The first finds the thresholds of the training parts; the second tallies the intersections of
every permutation and training part; the third follows the chosen concepts alone, on the images that did not choose them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from filterscope.operators.activations.fold_quantiles import part_thresholds
from filterscope.operators.dissection.activated import Activated
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.group_sums import GroupSums, effective_count
from filterscope.operators.statistics.permutation import LEFT_OUT, Strata, add_activated
from filterscope.operators.statistics.place import add_shifted, random_shifts
from filterscope.operators.statistics.replication import (
    add_overlaps,
    balanced_folds,
    best_of,
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
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact
from filterscope.pipeline.stores.promises import Promise

#: Permutations of the annotations, shifts of the masks, and folds of the images.
PERMUTATIONS, SHIFTS, FOLDS = 50, 50, 8

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
        self.fold = _folds(self.dataset, self.identity)[self.image]
        self.half = self.fold % 2

    def find_thresholds(self) -> None:
        """Find T on each half of the images, and on all folds but one."""
        parts = np.concatenate([_HALVES, ~np.eye(FOLDS, dtype=bool)])
        quantile = self.task.plan.of(DissectionOptions).quantile
        found = part_thresholds(
            lambda: ((part.maps, self.fold[part.views]) for part in self.parts()), self.threshold, parts, quantile
        )
        self.of_half, self.of_training = found[:2], found[2:]

    def tally(self) -> None:
        """Tally all permutations, halves and training parts, and choose on each."""
        seen = np.zeros(len(self.image), bool)
        seen[self.decoded] = True
        strata = Strata(self.decoded, self.group[self.decoded], self.kinds[self.decoded])
        # in each permutation, and last as annotated
        givers = np.full((PERMUTATIONS + 1, len(self.image)), LEFT_OUT, np.int32)
        for number in range(PERMUTATIONS):
            permuted = strata.permuted(seed_of(self.identity, "permutation", number))
            givers[number, : len(permuted)] = permuted
        givers[-1, self.decoded] = self.decoded
        whole = Draws(self, givers)
        halves = Draws(self, givers, self.half == np.arange(2)[:, None])
        training = Draws(self, givers[-1:], self.fold != np.arange(FOLDS)[:, None])
        for part in self.parts():
            drawn, area = self.activated(part, self.threshold)
            whole.add_drawn(part.views, drawn, area)
            halves.add(part, self.of_half[self.half[part.views]])
            training.add_near(part, drawn, area, self.of_training)
        self.seen = seen
        iou = whole.iou()
        self.best, self.labels = iou.max(axis=1, initial=0.0), best_of(iou)
        self.label = self.named(self.labels[-1])
        chosen = best_of(halves.iou()).reshape(2, *self.labels.shape)
        self.agree = (chosen == self.labels).all(axis=0) & (self.labels >= 0)
        self.halves = _OtherHalf(self, halves)
        self._choose(training)

    def _choose(self, training: Draws) -> None:
        """Choose the best concept on each training part."""
        iou, union = training.iou(), training.union()
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
        self.left_out = GroupSums(self.group, self.seen, self.fold, folds=FOLDS, values=2, units=self.units)
        one = np.zeros_like(self.fold)
        self.of_label = GroupSums(self.group, self.seen, one, folds=1, values=1, units=self.units)
        self.shifted = np.zeros((SHIFTS, self.units), np.int64)
        for part in self.parts():
            self.halves.add(part)
            self._add_left_out(part)
            self._add_shifted(part)

    def _add_left_out(self, part: Maps) -> None:
        """Sum I and the union of each fold's images with the concept that the others chose."""
        fold = self.fold[part.views]
        drawn, area = self.activated(part, self.of_training[fold])
        self.left_out.add(part.views, np.stack(self._overlaps(part.views, drawn, area, self.chosen[fold])))

    def _add_shifted(self, part: Maps) -> None:
        views = part.views
        # only where the label is: elsewhere no shift can meet it
        there = (self._labelled(views)[:, self.label] > 0) & (self.label >= 0)
        drawn, area = self.activated(part, self.threshold, there)
        label = np.broadcast_to(self.label, area.shape)
        self.of_label.add(views, overlaps(drawn, self.masks, views, label)[None])
        seed = seed_of(self.identity, "place")
        shifts = random_shifts(seed, int(views[0]), int(views[-1]) + 1, SHIFTS, self.shape)[views - views[0]]
        add_shifted(self.shifted, drawn, self.masks, views, self.label, self.shape[1], shifts)

    def _overlaps(
        self, views: np.ndarray, drawn: Activated, area: np.ndarray, chosen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return I and the union of the chosen concept of each view and unit, (n, U); 0 where none is chosen."""
        common = overlaps(drawn, self.masks, views, chosen)
        labelled = self._labelled(views)
        row = np.arange(len(views))[:, None]
        has_category = self.kinds[views][row, self.category[chosen]]
        regions = self.regions(chosen) if len(self.ignored) else ()
        known = area - sum(overlaps(drawn, self.masks, views, number) for number in regions)
        union = known * has_category + labelled[row, chosen] - common
        return common, np.where(chosen < 0, 0, union)

    def _labelled(self, views: np.ndarray) -> np.ndarray:
        """Return the labelled pixels of each view and concept, int64 of shape (n, C)."""
        labelled, own = np.zeros((len(views), len(self.slot)), np.int64), self.masks.take(views)
        labelled[np.repeat(np.arange(len(views)), np.diff(own.first)), own.concept] = own.area
        return labelled[:, : len(self.category)]

    def findings(self) -> dict[str, np.ndarray]:
        """Return what the layer is pooled from; NaN where there is nothing to measure."""
        replicates = self.agree & (self.halves.iou() > DETECTOR_IOU).all(axis=0)
        held = self.share > 0  # with fewer groups than folds, some are empty
        same = (self.chosen == self.label) & (self.label >= 0) & held[:, None]
        common, union = (self.left_out.sums * same).sum(axis=1)
        enough = (same.sum(axis=0) >= held.sum() / 2) & (union > 0)
        met = self.of_label.sums[0, 0]
        p_place = (1 + (self.shifted >= met).sum(axis=0)) / (1 + SHIFTS)
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
            "sums": self.left_out.sums,
            "products": self.left_out.products,
            "share": self.share,
            "effective_groups": effective_count(met, self.of_label.products[0, 0]),
            "p_place": np.where(self.label < 0, np.nan, p_place),
        }


class _OtherHalf:
    """The label that a half of the images chose, on the other half: for every permutation, and last as annotated."""

    def __init__(self, block: _Block, halves: Draws) -> None:
        self._block, self._halves = block, halves
        self._chosen = np.tile(block.named(np.where(block.agree, block.labels, -1)), (2, 1))
        self._common = np.zeros(self._chosen.shape, np.int64)
        self._lost = np.zeros_like(self._common)
        self._activated = np.zeros((len(self._chosen), block.categories, block.units), np.int64)

    def add(self, part: Maps) -> None:
        """Add the views of a part, each above T of the half that it is not in."""
        block, source = self._block, self._halves.givers(part.views)
        drawn, area = block.activated(part, block.of_half[1 - block.half[part.views]])
        add_overlaps(self._common, drawn, block.masks, source, self._chosen)
        for number in block.regions(self._chosen) if len(block.ignored) else ():
            add_overlaps(self._lost, drawn, block.masks, source, number)
        add_activated(self._activated, area, block.kinds, source)

    def iou(self) -> np.ndarray:
        """Return the IoU on each half, float64 of shape (2, draws, U); 0 where the halves do not agree."""
        block, chosen = self._block, np.maximum(self._chosen, 0)
        activated = np.take_along_axis(self._activated, block.category[chosen][:, None], 1)[:, 0]
        union = activated - self._lost + np.take_along_axis(self._halves.labelled, chosen, 1) - self._common
        wanted = (self._chosen >= 0) & (union > 0)
        found = np.divide(self._common, union, out=np.zeros(union.shape), where=wanted)
        return found.reshape(2, -1, block.units)


def _folds(dataset: Dataset, identity: str) -> np.ndarray:
    """Return the fold of each image: groups are dealt in an order of chance, and copies of an image share its fold."""
    images = dataset.images.select(["group", "sha256"]).to_pylist()
    keys = [f"{seed_of(identity, 'fold', row['group'] or row['sha256']):032x}" for row in images]
    return balanced_folds(np.array(keys), FOLDS)


#: What each block of units of a layer is pooled from.
NULL = Artifact.single("null", null_path)


def read_null(run: Path, place: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read what the stage found of a block of units."""
    return read_arrays(Promise(run, ("null",), place).read(NULL.name, null_path(run, place)))


NULL_STAGE = StageKind(
    "null",
    reads=(MAPS, MAXIMA, THRESHOLDS, ANNOTATIONS, LABELS),
    writes=(NULL,),
    plan=by_units(find_null),
    parameters=lambda plan, model: {
        "permutations": PERMUTATIONS,
        "shifts": SHIFTS,
        "folds": FOLDS,
        "quantile": plan.of(DissectionOptions).quantile,
    },
)
