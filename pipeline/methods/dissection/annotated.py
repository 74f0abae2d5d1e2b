"""A block of units beside the annotations of all images, which permutations need in no order."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from filterscope.operators.dissection.activated import Activated
from filterscope.operators.dissection.anchoring import Axis
from filterscope.operators.dissection.tally import half_values
from filterscope.operators.statistics.near_thresholds import add_changes
from filterscope.operators.statistics.permutation import (
    LEFT_OUT,
    add_activated,
    add_intersections,
    category_sets,
    iou_of,
    labelled_pixels,
)
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.methods.dissection.anchors import Drawing, axes_of, drawing_of
from filterscope.pipeline.methods.dissection.annotations import open_annotations
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_key
from filterscope.pipeline.methods.dissection.reading import read_thresholds
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.activations import ActivationStore

#: Bytes of maps that a block keeps from one pass over the images to the next.
_KEPT = 1 << 26


class Maps(NamedTuple):
    """Maps of n views: numbers (n,), maxima (float32, shape (n, U)) and maps (float16, shape (n, U, h, w))."""

    views: np.ndarray
    maxima: np.ndarray
    maps: np.ndarray


@dataclass
class AnnotatedBlock:
    """One block of units with what is annotated in all views.

    Attributes
    ----------
    masks : MaskBlock
        Annotations of every view.
    decoded : int64 ndarray
        Views whose image could be decoded, ascending.
    image, group : int64 ndarray of shape (views,)
        Source image of each view, and the first image of the group that it belongs to.
    kinds : bool ndarray of shape (views, G)
        Categories that each view has a label of.
    dataset : Dataset
        The images and their annotations.
    category : int64 ndarray of shape (C,)
        Number of each concept's category.
    eligible : int64 ndarray
        Concepts that may label a unit.
    slot : int64 ndarray of shape (2 C + G,)
        Place of each eligible concept in sums over the views, and behind these of each ignored region that matters, numbered as
        in `operators.dissection.masks`; -1 has none.
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
        self.group = plan.views.group.astype(np.int64)
        self.dataset = Dataset(plan.data)
        self.vocabulary = Vocabulary.of(self.dataset)
        self.category, self.categories = self.vocabulary.category, len(self.vocabulary.categories)
        self.eligible = np.flatnonzero(read_eligible(plan.run, self.key))
        self.ignored = self._ignored()
        summed = np.append(self.eligible, self.ignored)
        self.slot = np.full(2 * len(self.category) + self.categories, -1)
        self.slot[summed] = np.arange(len(summed))
        self.kinds = category_sets(self.masks, self.category, self.categories)
        self.threshold = read_thresholds(task)
        self._kept: dict[int, Maps] = {}
        self._room = _KEPT

    def _ignored(self) -> np.ndarray:
        """Return the numbers of ignored regions of eligible concepts and of categories, int64, ascending."""
        found, concepts = np.unique(self.masks.concept).astype(np.int64), len(self.category)
        return found[(found >= 2 * concepts) | np.isin(found - concepts, self.eligible)]

    def regions(self, concept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the two ignored regions, its own and its category's, of concepts; -1 stays."""
        concepts = len(self.category)
        own, all_of = concepts + concept, 2 * concepts + self.category[concept]
        return np.where(concept < 0, -1, own), np.where(concept < 0, -1, all_of)

    @cached_property
    def _draw(self) -> Drawing:
        return drawing_of(self.task.plan, self.task.model, self.task.layer)

    @cached_property
    def axes(self) -> tuple[Axis, Axis] | None:
        """How masks sample maps that are interpolated; None for the survey's masks."""
        plan, survey = self.task.plan, self.task.plan.of(DissectionOptions).mask_mode == "survey"
        return None if survey else axes_of(plan, self.task.model, self.task.layer)

    def parts(self) -> Iterator[Maps]:
        """Yield the maps of the views of each block that were decoded."""
        plan = self.task.plan
        for _, start, stop in blocks("images", plan.view_count, plan.options.image_block):
            views = self.decoded[slice(*np.searchsorted(self.decoded, (start, stop)))]
            if len(views):
                yield self._kept.get(start) or self._read(start, stop, views)

    def _read(self, start: int, stop: int, views: np.ndarray) -> Maps:
        """Read the maps of a block's decoded views, and keep them for the next pass while there is room."""
        span = slice(self.task.start, self.task.stop)
        maxima, maps = self.store.read_maxima(start, stop, span), self.store.read(start, stop, span)
        if len(views) < len(maps):
            maxima, maps = maxima[views - start], maps[views - start]
        part = Maps(views, maxima.astype(np.float32), np.ascontiguousarray(maps))
        if maps.nbytes <= self._room:
            self._kept[start], self._room = part, self._room - maps.nbytes
        return part

    def activated(
        self, part: Maps, thresholds: np.ndarray, chosen: np.ndarray | None = None
    ) -> tuple[Activated, np.ndarray]:
        """Return the activated pixels of a part's views, or of chosen views (n,) or pairs (n, U), and their number (n, U).

        Thresholds are float32 of shape (U,) or, of each view, (n, U).
        """
        maxima = (
            part.maxima
            if chosen is None
            else np.where(chosen if chosen.ndim == 2 else chosen[:, None], part.maxima, -np.inf)
        )
        drawn = self._draw(part.maps, maxima, thresholds)
        area = np.zeros(maxima.shape, np.int64)
        area[drawn.image, drawn.unit] = drawn.area
        return drawn, area

    def named(self, place: np.ndarray) -> np.ndarray:
        """Turn places among the eligible concepts into numbers of concepts; -1 stays."""
        return np.where(place < 0, -1, np.append(self.eligible, -1)[place])


class Draws:
    """A block of units against labels that change places: sums over the views, once for every draw.

    Parameters
    ----------
    block : AnnotatedBlock
        The units.
    source : integer ndarray of shape (S, views)
        Whose labels each view gets, or `LEFT_OUT`.
    members : bool ndarray of shape (P, views), optional
        Parts of the views, each with the S sources: P S draws. By default one part, of all views.
    """

    def __init__(self, block: AnnotatedBlock, source: np.ndarray, members: np.ndarray | None = None) -> None:
        self._block, self._source, self._members = block, source, members
        draws = len(source) * (1 if members is None else len(members))
        self._common = np.zeros((draws, len(block.eligible) + len(block.ignored), block.units), np.int64)
        self._intersection = self._common[:, : len(block.eligible)]
        self._activated = np.zeros((draws, block.categories, block.units), np.int64)
        self.labelled = labelled_pixels(block.masks, self._rows(), len(block.category))

    def _rows(self) -> Iterator[np.ndarray]:
        # one at a time: all parts of all sources would be P times as large as these
        for member in (None,) if self._members is None else self._members:
            for row in self._source:
                yield row if member is None else np.where(member, row, LEFT_OUT)

    def givers(self, views: np.ndarray) -> np.ndarray:
        """Return whose labels some views get, integer of shape (draws, n)."""
        source = self._source[:, views]
        if self._members is None:
            return source
        return np.where(self._members[:, None, views], source, LEFT_OUT).reshape(-1, len(views))

    def add(self, part: Maps, thresholds: np.ndarray, draws: slice = slice(None)) -> None:
        """Add the views of a part to some draws, activated above thresholds (float32, shape (U,) or (n, U))."""
        used = (self.givers(part.views)[draws] != LEFT_OUT).any(axis=0)
        self.add_drawn(part.views, *self._block.activated(part, thresholds, used), draws)

    def add_drawn(self, views: np.ndarray, drawn: Activated, area: np.ndarray, draws: slice = slice(None)) -> None:
        """Add views to some draws, from what `AnnotatedBlock.activated` returned."""
        block, source = self._block, self.givers(views)[draws]
        add_intersections(self._common[draws], drawn, block.masks, block.slot, source)
        add_activated(self._activated[draws], area, block.kinds, source)

    def add_near(self, part: Maps, drawn: Activated, area: np.ndarray, thresholds: np.ndarray) -> None:
        """Add the views of a part, in each draw above thresholds of its own (float32, shape (draws, U)) near T.

        `drawn` and `area` are what `AnnotatedBlock.activated` returned at T.
        """
        block = self._block
        if block.axes is None:  # a value in between moves a whole box of the survey, so every draw needs its own
            for draw, own in enumerate(thresholds):
                self.add(part, own, slice(draw, draw + 1))
            return
        self.add_drawn(part.views, drawn, area)
        add_changes(
            self._common, self._activated, part.maps, part.maxima, block.threshold, thresholds, block.axes,
            half_values(), block.masks, block.slot, block.kinds, self.givers(part.views),
        )  # fmt: skip

    def iou(self) -> np.ndarray:
        """Return the IoU with the eligible concepts, float64 of shape (draws, C', U)."""
        return iou_of(self._intersection, *self._areas())

    def union(self) -> np.ndarray:
        """Return the union with the eligible concepts, int64 of shape (draws, C', U)."""
        activated, labelled = self._areas()
        return np.asarray(activated + labelled - self._intersection)

    def _areas(self) -> tuple[np.ndarray, np.ndarray]:
        block, eligible = self._block, self._block.eligible
        activated = self._activated[:, block.category[eligible]]
        for numbers in block.regions(eligible) if len(block.ignored) else ():
            there = np.flatnonzero(block.slot[numbers] >= 0)
            activated[:, there] -= self._common[:, block.slot[numbers[there]]]
        return activated, self.labelled[:, eligible, None]


def parameters_of_strata(plan: Plan) -> dict[str, str]:
    """Return what tells apart how groups of several views change places: in version 0.1 only those of equal size did."""
    several = plan.options.view_settings.parameters or plan.grouped
    return {"strata": "by categories"} if several else {}
