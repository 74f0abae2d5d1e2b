"""Where views show parts: masks of concepts of the category part, or landmarks where there are none."""

from dataclasses import dataclass

import numpy as np

from filterscope.operators.decision_tree.explain import assign
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.sightings import open_sightings
from filterscope.schemas.parts import PART

#: Masks are sampled once in so many pixels of the network input, along both axes.
_GRID = 4


@dataclass(frozen=True)
class PartPlaces:
    """Parts on n views.

    Attributes
    ----------
    names : list of str
        The M parts, by name.
    centres : float64 ndarray of shape (n, M, 2)
        y and x in the network input; NaN where a view does not show the part, or a landmark more than once.
    masks : bool ndarray of shape (n, M, rows, columns), optional
        What each part covers of the input; landmarks cover nothing.
    extent : (int, int)
        Height and width of the input.
    """

    names: list[str]
    centres: np.ndarray
    masks: np.ndarray | None
    extent: tuple[int, int]

    @classmethod
    def of(cls, plan: Plan, model: PlannedModel, category: str | None, views: np.ndarray) -> "PartPlaces":
        """Find parts on views: masks where any of them has one, else landmarks."""
        return _masked(plan, model, views) or _marked(plan, model, category, views)

    def assigned(self, peaks: np.ndarray, layer: Layer) -> np.ndarray:
        """Return the part of each filter, int64 of shape (D,), from positions of its peaks, int64 (n, D); -1 where none."""
        place = _places(peaks, layer, self.extent)
        if self.masks is None:
            return assign(place, self.centres)
        known = ~np.isnan(place[..., 0])
        rows, columns = self.masks.shape[2:]
        y, x = (
            np.where(known, place[..., axis], 0).clip(0, self.extent[axis] - 1) * size // self.extent[axis]
            for axis, size in enumerate((rows, columns))
        )
        view = np.arange(len(peaks))[:, None]
        inside = self.masks.transpose(0, 2, 3, 1)[view, y.astype(np.int64), x.astype(np.int64)] & known[..., None]
        return assign(place, self.centres, inside)


def _places(peaks: np.ndarray, layer: Layer, extent: tuple[int, int]) -> np.ndarray:
    """Return y and x of positions: centres of receptive fields, or of cells where a layer has no field; NaN for -1."""
    cells = layer.height, layer.width
    if layer.field is not None:
        first, stride = layer.field.centre, layer.field.stride
    else:
        stride = extent[0] / cells[0], extent[1] / cells[1]
        first = (stride[0] - 1) / 2, (stride[1] - 1) / 2
    at = np.stack([peaks // cells[1], peaks % cells[1]], axis=-1).astype(np.float64)
    return np.where(peaks[..., None] >= 0, np.array(first) + at * np.array(stride), np.nan)


def _marked(plan: Plan, model: PlannedModel, category: str | None, views: np.ndarray) -> PartPlaces:
    geometry = model.geometry(plan.options.geometry)
    found = open_sightings(plan.data, plan.data_identity, plan.options.view_settings, geometry)
    shown = category if plan.options.view_settings.of_objects else None
    strata = [number for number, (of, _) in enumerate(found.strata) if of == shown]
    places = [found.places(stratum, views) for stratum in strata]
    centres = np.stack(places, axis=1) if places else np.zeros((len(views), 0, 2))
    return PartPlaces([found.strata[stratum][1] for stratum in strata], centres, None, geometry.size)


def _masked(plan: Plan, model: PlannedModel, views: np.ndarray) -> PartPlaces | None:
    dataset, geometry = Dataset(plan.data), model.geometry(plan.options.geometry)
    concepts = dataset.concepts.select(["concept", "name", "category"]).to_pylist()
    names = {row["concept"]: row["name"] for row in concepts if row["category"] == PART}
    if not names or not len(views):
        return None
    images = plan.views.image[views]
    of_image: dict[int, list[int]] = {}
    for row, image in enumerate(images.tolist()):
        of_image.setdefault(image, []).append(row)
    sizes = dataset.images.select(["height", "width"]).to_pydict()
    size = max(geometry.size[0] // _GRID, 1), max(geometry.size[1] // _GRID, 1)
    sampled: dict[tuple[int, int], np.ndarray] = {}
    for segment in dataset.segments(int(images.min()), int(images.max()) + 1):
        image, part = segment["image"], segment["concept"]
        if part not in names or image not in of_image or segment["mask"] is None:
            continue
        mask = decode_mask(segment["mask"], sizes["height"][image], sizes["width"][image])
        for row in of_image[image]:
            seen = geometry.mask(mask, size, plan.views.window(int(views[row])))
            sampled[row, part] = sampled.get((row, part), False) | seen
    parts = sorted({part for (_, part), mask in sampled.items() if mask.any()}, key=lambda part: names[part])
    if not parts:
        return None
    masks = np.zeros((len(views), len(parts), *size), bool)
    for (row, part), mask in sampled.items():
        if part in parts:
            masks[row, parts.index(part)] = mask
    return PartPlaces([names[part] for part in parts], _centres(masks, geometry.size), masks, geometry.size)


def _centres(masks: np.ndarray, extent: tuple[int, int]) -> np.ndarray:
    """Return the centre of gravity of each mask in pixels of the input, NaN where it is empty."""
    centres = np.full((*masks.shape[:2], 2), np.nan)
    count = masks.sum(axis=(2, 3))
    for axis, other in ((0, 3), (1, 2)):
        along = masks.sum(axis=other)
        step = extent[axis] / along.shape[2]
        at = (along * (np.arange(along.shape[2]) * step + (step - 1) / 2)).sum(axis=2)
        centres[..., axis] = np.divide(at, count, out=np.full(at.shape, np.nan), where=count > 0)
    return centres


__all__ = ["PartPlaces"]
