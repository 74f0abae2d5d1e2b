"""Where images hold a concept, and how much of it: annotations of the data set, and their outlines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from filterscope.jobs.report.thumbnails import SAMPLES, Look, path_of
from filterscope.operators.dissection.masks import sample_positions
from filterscope.operators.images.outline import outline
from filterscope.operators.images.run_lengths import count_runs, draw_runs, sample_runs
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import scan_files
from filterscope.schemas.dataset import CATEGORIES

#: Samples along the longer side of an image whose annotations are outlined; the latter where that makes a long path.
FINE = (128, 64)

_TOLERANCE, _LONG = 0.5, 800
_AT_ONCE = 2048


def labelled_paths(plan: Plan, look: Look, pairs: Iterable[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """Outline concepts in views.

    Parameters
    ----------
    plan : Plan
        The run, for its views and data set.
    look : Look
        How views are shown.
    pairs : iterable of (int, str)
        View and concept.

    Returns
    -------
    dict
        (view, concept) -> path data, without pairs whose image does not hold the concept or does not show it.
    """
    dataset, views = Dataset(plan.data), plan.views
    wanted: dict[tuple[int, str], list[int]] = {}
    for view, concept in pairs:
        wanted.setdefault((int(views.image[view]), concept), []).append(view)
    sizes = dataset.images.select(["height", "width"])
    shown: dict[tuple[int, str], np.ndarray] = {}
    sampled: dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]] = {}
    for image, concept, counts in _segments(dataset.folder, list(wanted)).iter_rows():
        shape = sizes["height"][image].as_py(), sizes["width"][image].as_py()
        for view in wanted[image, concept]:
            seen = (shape, views.window(view))
            if seen not in sampled:
                sampled[seen] = look.geometry.positions(shape, (SAMPLES, SAMPLES), seen[1])
            mask = (
                np.ones((SAMPLES, SAMPLES), bool) if counts is None else sample_runs(counts, shape[0], *sampled[seen])
            )
            known = shown.get((view, concept))
            shown[view, concept] = mask if known is None else known | mask
    paths = {key: path_of(outline(mask.astype(np.float64), 0.5), look.size) for key, mask in shown.items()}
    return {key: path for key, path in paths.items() if path}


@dataclass(frozen=True)
class Annotation:
    """Where an image holds a concept.

    Attributes
    ----------
    image : int
        The image.
    concept, category : str
        The concept.
    pixels : int
        Pixels of the image that are labelled with it.
    share : float
        The part of the image that they are.
    masks : tuple of bytes
        Run lengths of its masks; none where it labels the whole image.
    """

    image: int
    concept: str
    category: str
    pixels: int
    share: float
    masks: tuple[bytes, ...]

    def path(self, shape: tuple[int, int], size: tuple[int, int]) -> str:
        """Outline it in a picture of `size` (width, height) of the image of `shape` (height, width); empty for all of it.

        What is scattered over an image, as colours are, is outlined more coarsely.
        """
        drawn = ""
        for fine in FINE if self.masks else ():
            sampled = [max(round(side * fine / max(size)), 1) for side in size[::-1]]
            axes = zip(shape, sampled, strict=True)
            rows, columns = (sample_positions(0.0, float(native), pixels, native) for native, pixels in axes)
            found = np.any([sample_runs(counts, shape[0], rows, columns) for counts in self.masks], axis=0)
            drawn = path_of(outline(found.astype(np.float64), 0.5, _TOLERANCE), size)
            if len(drawn) <= _LONG:
                break
        return drawn


def annotations(dataset: Dataset, images: Sequence[int], concepts: Sequence[str] | None = None) -> Iterator[Annotation]:
    """Yield what images hold, or what they hold of some concepts: by image, by category, those with most pixels first."""
    sizes = dataset.images.select(["height", "width"])
    for start in range(0, len(images), _AT_ONCE):
        here = pl.Series(images[start : start + _AT_ONCE], dtype=pl.Int32)
        rows = _named(dataset.folder, concepts).filter(pl.col("image").is_in(here.implode()))
        held = rows.group_by("image", "name", "category").agg(pl.col("mask"))
        found = []
        for image, concept, category, masks in held.collect().iter_rows():
            shape = sizes["height"][image].as_py(), sizes["width"][image].as_py()
            coded = () if None in masks else tuple(masks)
            pixels = _pixels(coded, shape)
            found.append(Annotation(image, concept, category, pixels, pixels / (shape[0] * shape[1]), coded))
        yield from sorted(found, key=_order)


def _order(found: Annotation) -> tuple[int, int, str, int, str]:
    known = CATEGORIES.index(found.category) if found.category in CATEGORIES else len(CATEGORIES)
    return found.image, known, found.category, -found.pixels, found.concept


def _pixels(masks: tuple[bytes, ...], shape: tuple[int, int]) -> int:
    if not masks:
        return shape[0] * shape[1]
    if len(masks) == 1:
        return count_runs(masks[0])
    return int(np.any([draw_runs(counts, *shape) for counts in masks], axis=0).sum())


def images_with(plan: Plan, concepts: list[str], images: np.ndarray, count: int) -> dict[str, list[int]]:
    """Return, of some images, the `count` that hold most of each concept; of those that hold as much, the first."""
    order = {image: place for place, image in enumerate(images.tolist())}
    held: dict[str, list[Annotation]] = {}
    for found in annotations(Dataset(plan.data), images.tolist(), concepts):
        held.setdefault(found.concept, []).append(found)
    return {
        name: [one.image for one in sorted(some, key=lambda one: (-one.share, order[one.image]))[:count]]
        for name, some in held.items()
    }


def _named(folder: Path, concepts: Sequence[str] | None) -> pl.LazyFrame:
    names = scan_files([folder / "concepts.parquet"]).select("concept", "name", "category")
    if concepts is not None:
        names = names.filter(pl.col("name").is_in(concepts))
    return scan_files([folder / "segments.parquet"]).join(names, on="concept")


def _segments(folder: Path, wanted: list[tuple[int, str]]) -> pl.DataFrame:
    """Return image, concept and mask of the segments of (image, concept) pairs."""
    if not wanted:
        return pl.DataFrame({"image": [], "name": [], "mask": []})
    pairs = pl.DataFrame(wanted, schema={"image": pl.Int32, "name": pl.String}, orient="row").unique()
    concepts, images = pairs["name"].unique().to_list(), pairs["image"].unique()
    rows = _named(folder, concepts).filter(pl.col("image").is_in(images.implode()))
    return rows.join(pairs.lazy(), on=["image", "name"], how="semi").select("image", "name", "mask").collect()


__all__ = ["FINE", "Annotation", "annotations", "images_with", "labelled_paths"]
