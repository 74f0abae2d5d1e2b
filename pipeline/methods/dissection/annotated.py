"""A block of units beside the annotations of all images, which permutations need in no order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from filterscope.operators.dissection.activated import Activated
from filterscope.operators.statistics.permutation import category_sets
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.methods.dissection.anchors import drawing_of
from filterscope.pipeline.methods.dissection.annotations import open_annotations
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible
from filterscope.pipeline.methods.dissection.options import mask_key
from filterscope.pipeline.methods.dissection.reading import read_thresholds
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.pipeline.stores.activations import ActivationStore


@dataclass
class AnnotatedBlock:
    """One block of units with what is annotated in all views.

    Attributes
    ----------
    masks : MaskBlock
        Annotations of every view.
    decoded : int64 ndarray
        Views whose image could be decoded, ascending.
    image : int64 ndarray of shape (views,)
        Source image of each view.
    kinds : bool ndarray of shape (views, G)
        Categories that each view has.
    category : int64 ndarray of shape (C,)
        Number of each concept's category.
    eligible : int64 ndarray
        Concepts that may label a unit.
    slot : int64 ndarray of shape (C,)
        Place of each concept among the eligible ones, or -1.
    threshold : float32 ndarray of shape (U,)
        T of each unit, as it is compared with stored values.
    """

    task: BlockTask

    def __post_init__(self) -> None:
        task, plan = self.task, self.task.plan
        self.key, self.units = mask_key(plan, task.model), task.stop - task.start
        self.store = ActivationStore(plan.run, task.model.name, task.layer.name)
        annotations = open_annotations(plan.run, self.key)
        self.masks, self.decoded = annotations.masks, annotations.decoded
        self.image = plan.views.image.astype(np.int64)
        self.vocabulary = Vocabulary.of(Dataset(plan.data))
        self.category, self.categories = self.vocabulary.category, len(self.vocabulary.categories)
        self.eligible = np.flatnonzero(read_eligible(plan.run, self.key))
        self.slot = np.full(len(self.category), -1)
        self.slot[self.eligible] = np.arange(len(self.eligible))
        self.kinds = category_sets(self.masks, self.category, self.categories)
        self.threshold = read_thresholds(task)

    def stream(self) -> Iterator[tuple[np.ndarray, Activated, np.ndarray]]:
        """Yield the views of each block that were decoded, their activated pixels and how many these are, (n, U)."""
        plan = self.task.plan
        draw = drawing_of(plan, self.task.model, self.task.layer)
        span = slice(self.task.start, self.task.stop)
        for _, start, stop in blocks("images", plan.view_count, plan.options.image_block):
            views = self.decoded[slice(*np.searchsorted(self.decoded, (start, stop)))]
            maxima = self.store.read_maxima(start, stop, span).astype(np.float32)[views - start]
            maps = self.store.read(start, stop, span)[views - start]
            drawn = draw(maps, maxima, self.threshold)
            area = np.zeros(maxima.shape, np.int64)
            area[drawn.image, drawn.unit] = drawn.area
            yield views, drawn, area

    def labelled(self, chosen: np.ndarray) -> np.ndarray:
        """Return the labelled pixels G of the eligible concepts in some views (bool, by number), int64 of shape (C', 1)."""
        pairs = np.repeat(chosen, np.diff(self.masks.first))
        # whole numbers far below 2^53: sums are exact
        pixels = np.bincount(self.masks.concept[pairs], self.masks.area[pairs], len(self.category))
        return pixels.astype(np.int64)[self.eligible, None]

    def named(self, place: np.ndarray) -> np.ndarray:
        """Turn places among the eligible concepts into numbers of concepts; -1 stays."""
        if not len(self.eligible):
            return np.full(self.units, -1)
        return np.where(place < 0, -1, self.eligible[place])
