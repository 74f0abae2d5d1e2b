"""Views: how the images of a data set enter a network, whole or as object crops, flipped or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.pipeline.datasets.layout import NEGATIVE, Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.views.geometry import Window

#: Objects with a box of fewer pixels are dropped: 50 x 50, an area as in the interpretable-CNN release.
MIN_BOX_PIXELS = 50 * 50


@dataclass(frozen=True)
class ViewSettings:
    """Which views a run has.

    Attributes
    ----------
    views : str
        image: every image, whole. objects: every object's box. objects:CATEGORY: the boxes of one category.
    flips : bool
        Every view a second time, mirrored left to right.
    negatives : bool
        With objects: the images of the split `negative` too, whole.
    """

    views: str = "image"
    flips: bool = False
    negatives: bool = False

    @property
    def of_objects(self) -> bool:
        """Whether the views are object crops."""
        return self.views != "image"

    @property
    def category(self) -> str | None:
        """The one category of the objects, or None for all."""
        return self.views.partition(":")[2] or None

    @property
    def parameters(self) -> dict[str, Any]:
        """What differs from whole images as they are, for fingerprints."""
        stated = {"views": self.views, "flips": self.flips, "negatives": self.negatives}
        return {name: value for name, value in stated.items() if value not in ("image", False)}


@dataclass(frozen=True)
class Views:
    """Views in order of their numbers, from 0: by image, then object, the flip after its original.

    Attributes
    ----------
    image : int32 ndarray of shape (n,)
        Source image.
    group : int32 ndarray of shape (n,)
        First image of the group that the source image belongs to, such as a video; the image itself where the data set states
        none. Views of one group are not independent evidence and stay together in permutations, resampling and samples.
    object : int32 ndarray of shape (n,)
        Object whose box is shown; -1: the whole image.
    flip : bool ndarray of shape (n,)
        Mirrored left to right.
    box : int32 ndarray of shape (n, 4)
        x0, y0, x1, y1 in whole pixels, x1 and y1 outside; -1 for whole images.
    category : list of str or None
        Category of the object.
    dropped : list of (str, str)
        Objects that give no view, and why.
    """

    image: np.ndarray
    group: np.ndarray
    object: np.ndarray
    flip: np.ndarray
    box: np.ndarray
    category: list[str | None]
    dropped: list[tuple[str, str]]

    @classmethod
    def of(cls, dataset: Dataset, settings: ViewSettings) -> "Views":
        """Make the views of a data set.

        Raises
        ------
        InputError
            If the settings find no view.
        """
        if settings.of_objects:
            views = _of_objects(dataset, settings)
        elif settings.negatives:
            raise InputError("--negatives goes with --views objects; whole images include the negatives already")
        else:
            views = _whole(dataset, np.arange(dataset.rows("images")))
        return views._with_flips() if settings.flips else views

    def __len__(self) -> int:
        return len(self.image)

    @property
    def image_count(self) -> int:
        """Source images that have a view."""
        return len(np.unique(self.image))

    def window(self, view: int) -> Window:
        """Return what a view shows of its image."""
        box = tuple(self.box[view].tolist()) if self.object[view] >= 0 else None
        return Window(box, bool(self.flip[view]))

    def windows(self, start: int, stop: int) -> Iterator[tuple[int, Window]]:
        """Yield source image and window of views [start, stop)."""
        for view in range(start, stop):
            yield int(self.image[view]), self.window(view)

    def tables(self, rows: int = 16_384) -> Iterator[pa.Table]:
        """Yield the rows of the table `views`, some at a time: there may be a million."""
        from filterscope.schemas.results import TABLES

        for start in range(0, len(self), rows):
            here = slice(start, start + rows)
            whole, box = self.object[here] < 0, self.box[here]
            corners = {name: pa.array(box[:, n], mask=whole) for n, name in enumerate(("x0", "y0", "x1", "y1"))}
            columns = {
                "view": np.arange(start, start + len(whole), dtype=np.int32),
                "image": self.image[here],
                "object": pa.array(self.object[here], mask=whole),
                "category": self.category[here],
                "flip": self.flip[here],
                **corners,
            }
            yield pa.table(columns, schema=TABLES["views"])

    def _take(self, rows: np.ndarray) -> "Views":
        columns = (self.image[rows], self.group[rows], self.object[rows], self.flip[rows], self.box[rows])
        return Views(*columns, [self.category[row] for row in rows.tolist()], self.dropped)

    def _with_flips(self) -> "Views":
        twice = self._take(np.repeat(np.arange(len(self)), 2))
        twice.flip[1::2] = True
        return twice


def _whole(dataset: Dataset, images: np.ndarray) -> Views:
    count = len(images)
    box = np.full((count, 4), -1, np.int32)
    none = np.full(count, -1, np.int32)
    group = dataset.groups[images].astype(np.int32)
    return Views(images.astype(np.int32), group, none, np.zeros(count, bool), box, [None] * count, [])


def _of_objects(dataset: Dataset, settings: ViewSettings) -> Views:
    rows = dataset.table("objects").to_pylist()
    if not rows:
        raise InputError(f"--views {settings.views}: the data set {dataset.folder} has no objects; use --views image")
    if settings.category is not None:
        rows = _of_category(rows, settings.category)
    kept, dropped = _large_enough(rows, dataset)
    negatives = _negatives(dataset) if settings.negatives else _whole(dataset, np.zeros(0, np.int32))
    if not kept:
        raise InputError(f"--views {settings.views}: all {len(rows)} boxes have fewer than 50 x 50 pixels")
    image, number, box, category = zip(*kept, strict=True)
    images = np.concatenate([np.array(image, np.int32), negatives.image])
    views = Views(
        images,
        dataset.groups[images].astype(np.int32),
        np.concatenate([np.array(number, np.int32), negatives.object]),
        np.zeros(len(kept) + len(negatives), bool),
        np.concatenate([np.array(box, np.int32), negatives.box]),
        [*category, *negatives.category],
        dropped,
    )
    return views._take(np.lexsort((views.object, views.image)))


def _of_category(rows: list[dict[str, Any]], category: str) -> list[dict[str, Any]]:
    chosen = [row for row in rows if row["category"] == category]
    if not chosen:
        known = sorted({row["category"] for row in rows})
        hint = did_you_mean(category, known) or f" Categories are: {', '.join(known)}."
        raise InputError(f"--views objects:{category}: the data set has no object of that category.{hint}")
    return chosen


def _large_enough(rows: list[dict[str, Any]], dataset: Dataset) -> tuple[list[tuple[Any, ...]], list[tuple[str, str]]]:
    """Cut boxes at the edges of their images and to whole pixels, and separate those with enough pixels from the others."""
    images = dataset.images.select(["uri", "height", "width"]).to_pydict()
    kept, dropped = [], []
    for row in rows:
        image = row["image"]
        x0, y0, x1, y1 = row["box"]
        x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, images["width"][image]), min(y1, images["height"][image])
        wide, high = max(x1 - x0, 0.0), max(y1 - y0, 0.0)
        if wide * high < MIN_BOX_PIXELS:
            item = f"object {row['object']} ({row['category']}) of {images['uri'][image]}"
            dropped.append((item, f"its box has {wide:g} x {high:g} pixels, fewer than 50 x 50"))
        else:
            box = (int(x0), int(y0), int(-(-x1 // 1)), int(-(-y1 // 1)))
            kept.append((image, row["object"], box, row["category"]))
    return kept, dropped


def _negatives(dataset: Dataset) -> Views:
    images = [n for n, split in enumerate(dataset.images["split"].to_pylist()) if split == NEGATIVE]
    if not images:
        raise InputError(f"--negatives: no image of {dataset.folder} is of the split {NEGATIVE!r}")
    return _whole(dataset, np.array(images))


@lru_cache(maxsize=4)
def open_views(folder: Path, identity: str, settings: ViewSettings) -> Views:
    """Return the views of a data set, made once per process; `identity` tells apart what the folder held at different times."""
    return Views.of(Dataset(folder), settings)


__all__ = ["MIN_BOX_PIXELS", "ViewSettings", "Views", "open_views"]
