"""Regions of a view that maps are compared with: boxes of landmarks, and masks of concepts, where the network sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.geometry import Geometry
from filterscope.pipeline.views.landmarks import ViewLandmarks, landmarks_in_views
from filterscope.pipeline.views.views import ViewSettings, open_views

#: Categories of concepts, of which the first that a data set has are its regions.
_CATEGORIES = ("part", "object")


@dataclass(frozen=True)
class Named:
    """What the regions of a run are.

    Attributes
    ----------
    landmarks : frozenset of str
        Landmarks.
    concepts : mapping of int to str
        Number and name of the concepts.
    """

    landmarks: frozenset[str]
    concepts: Mapping[int, str]


def named_regions(dataset: Dataset, names: Sequence[str]) -> Named:
    """Find the regions that are asked for, or those that a data set has; a name means a landmark first.

    Raises
    ------
    InputError
        If one is neither a landmark nor a concept, or none is named and there are none.
    """
    landmarks = sorted(set(dataset.table("landmarks", ["landmark"])["landmark"].to_pylist()))
    concepts = dataset.concepts.to_pylist()
    if not names:
        found = {category: [row["name"] for row in concepts if row["category"] == category] for category in _CATEGORIES}
        names = landmarks or next(filter(None, found.values()), [])
    if not names:
        raise InputError(
            f"the data set {dataset.folder} has no landmarks and no concepts of the category part or object, which maps of "
            "attribution are compared with; name other concepts with --attribution.regions, or import annotations"
        )
    numbers = {row["name"]: row["concept"] for row in concepts}
    for name in names:
        if name not in landmarks and name not in numbers:
            has = list(dict.fromkeys([*landmarks, *numbers]))
            known = did_you_mean(name, has) or f" It has {', '.join(has[:20])}{', ...' * (len(has) > 20)}."
            raise InputError(
                f"--attribution.regions {name}: the data set {dataset.folder} has no such landmark or concept.{known}"
            )
    chosen = frozenset(names) & frozenset(landmarks)
    return Named(chosen, {numbers[name]: name for name in names if name not in chosen})


def may_show(plan: Plan, regions: tuple[str, ...]) -> np.ndarray:
    """Tell which views are of images that have one of the regions asked for; bool of shape (views,)."""
    return _annotated(plan.data, plan.data_identity, regions)[plan.views.image]


@lru_cache(maxsize=4)
def _annotated(folder: Path, identity: str, regions: tuple[str, ...]) -> np.ndarray:
    """Tell which images have one of the regions; bool of shape (images,)."""
    dataset = Dataset(folder)
    named, found = named_regions(dataset, regions), np.zeros(dataset.rows("images"), np.bool_)
    for table, column, values in (("landmarks", "landmark", named.landmarks), ("segments", "concept", named.concepts)):
        if values:
            rows = dataset.table(table, ["image", column])
            here = pc.is_in(rows[column], value_set=pa.array(sorted(values), rows.schema.field(column).type))
            found[rows["image"].filter(here).to_numpy()] = True
    return found


def regions_of(plan: Plan, model: PlannedModel, named: Named, start: int, stop: int) -> list[dict[str, np.ndarray]]:
    """Return what views [start, stop) show of each region.

    Returns
    -------
    list of dict of str to bool ndarray of shape (height, width)
        For each view the pixels of the network's input that belong to a region, by names in order; a region that is not
        seen is not there.
    """
    geometry = model.geometry(plan.options.geometry)
    found: list[dict[str, np.ndarray]] = [{} for _ in range(start, stop)]
    if named.landmarks:
        seen = _landmarks(plan.data, plan.data_identity, plan.options.view_settings, geometry)
        _add_boxes(found, seen, named.landmarks, geometry.size, start, stop)
    if named.concepts:
        _add_masks(found, plan, named.concepts, geometry, start, stop)
    return [{name: masks[name] for name in sorted(masks) if masks[name].any()} for masks in found]


@lru_cache(maxsize=4)
def _landmarks(folder: Path, identity: str, settings: ViewSettings, geometry: Geometry) -> ViewLandmarks:
    """Place the landmarks of a data set in its views, once per process."""
    return landmarks_in_views(Dataset(folder), open_views(folder, identity, settings), geometry)


def _add_boxes(
    found: list[dict[str, np.ndarray]], seen: ViewLandmarks, names: frozenset[str], size: tuple[int, int], start: int,
    stop: int,
) -> None:  # fmt: skip
    first, last = np.searchsorted(seen.view, [start, stop]).tolist()
    for row in range(first, last):
        name = seen.names[seen.landmark[row]]
        if name in names and seen.inside[row]:
            box = box_mask(float(seen.y[row]), float(seen.x[row]), seen.size[row], size)
            masks = found[seen.view[row] - start]
            masks[name] = masks[name] | box if name in masks else box


def box_mask(y: float, x: float, extent: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the pixels of an input of `size` whose centres lie in a box about (y, x), bool; at least that of its centre.

    `extent` is its height and width, NaN for a point.
    """
    axes = []
    for middle, whole, pixels in zip((y, x), extent.tolist(), size, strict=True):
        inside = np.abs(np.arange(pixels) - middle) <= whole / 2
        inside[min(max(round(middle), 0), pixels - 1)] = True
        axes.append(inside)
    return np.logical_and.outer(*axes)


def _add_masks(
    found: list[dict[str, np.ndarray]], plan: Plan, concepts: Mapping[int, str], geometry: Geometry, start: int,
    stop: int,
) -> None:  # fmt: skip
    dataset, shown = Dataset(plan.data), list(plan.views.windows(start, stop))
    first, last = min(image for image, _ in shown), max(image for image, _ in shown)
    sizes = dataset.images.select(["height", "width"]).slice(first, last + 1 - first).to_pylist()
    for row in dataset.segments(first, last + 1):
        here = [view for view, (image, _) in enumerate(shown) if image == row["image"]]
        if row["concept"] not in concepts or not here:
            continue
        name, counts = concepts[row["concept"]], row["mask"]
        try:
            mask = None if counts is None else decode_mask(counts, **sizes[row["image"] - first])
        except ValueError as error:
            what = f"a mask of image {row['image']} in the data set {dataset.folder} is damaged: {error}"
            raise InputError(f"{what}; import the data set again") from None
        for view in here:
            own = np.ones(geometry.size, bool) if mask is None else geometry.mask(mask, geometry.size, shown[view][1])
            found[view][name] = found[view][name] | own if name in found[view] else own


__all__ = ["Named", "box_mask", "may_show", "named_regions", "regions_of"]
