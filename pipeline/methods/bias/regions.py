"""The regions that are edited: boxes that a user states, landmarks and concepts of the data set, where a view shows them."""

from functools import lru_cache

import numpy as np

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.regions import Named, box_mask, named_regions, regions_of
from filterscope.pipeline.methods.bias.options import BiasOptions
from filterscope.pipeline.methods.bias.tables import Region, regions_of_rows
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Regions that a run edits at most.
MOST = 50
#: Side of the square about a landmark that has no extent, in parts of the input's shorter side.
POINT = 0.15


def regions_asked(dataset: Dataset, asked: BiasOptions) -> tuple[list[Region], Named]:
    """Return the regions of a run, and what those that have no box are in the data set.

    A data set without landmarks, parts and objects has none, unless the user states some.

    Raises
    ------
    InputError
        If one without a box is neither a landmark nor a concept, or there are too many.
    """
    stated = regions_of_rows(asked.regions)
    wanted = [region.name for region in stated if region.box is None]
    if stated:
        named = _named(dataset, wanted) if wanted else Named(frozenset(), {})
        return stated, named
    try:
        named = named_regions(dataset, ())
    except InputError:
        return [], Named(frozenset(), {})
    names = sorted({*named.landmarks, *named.concepts.values()})
    if len(names) > MOST:
        raise InputError(
            f"the data set {dataset.folder} has {len(names):,} landmarks, parts or objects, each of which would be edited; "
            f"name at most {MOST} of them with --bias.regions, or edit none with --bias.edit-views 0"
        )
    return [Region(name, None, frozenset()) for name in names], named


def _named(dataset: Dataset, names: list[str]) -> Named:
    try:
        return named_regions(dataset, names)
    except InputError as error:
        raise InputError(str(error).replace("--attribution.regions", "--bias.regions")) from None


class Shown:
    """What views show of the regions, in pixels of a model's input; those of the data set are looked up once per view."""

    def __init__(self, plan: Plan, model: PlannedModel) -> None:
        self._plan, self._model = plan, model
        self.regions, self._named = regions_asked(Dataset(plan.data), plan.of(BiasOptions))
        size = model.transform.input_size
        self._boxes = {r.name: _box(r.box, size) for r in self.regions if r.box is not None}
        self._of_view = lru_cache(maxsize=512)(self._annotated)

    def of(self, view: int, name: str) -> np.ndarray | None:
        """Return the mask of a region in a view, bool of shape (height, width); None where it does not show it."""
        return self._boxes[name] if name in self._boxes else self._of_view(view).get(name)

    def _annotated(self, view: int) -> dict[str, np.ndarray]:
        (found,) = regions_of(self._plan, self._model, self._named, view, view + 1)
        return {name: _extended(mask) for name, mask in found.items()}


def _box(box: tuple[float, float, float, float], size: tuple[int, int]) -> np.ndarray:
    """Return the pixels whose centres lie in a box (x0, y0, x1, y1 in parts), or at least the nearest one."""
    height, width = size
    x0, y0, x1, y1 = box
    extent = np.array([(y1 - y0) * height, (x1 - x0) * width])
    return box_mask((y0 + y1) / 2 * height - 0.5, (x0 + x1) / 2 * width - 0.5, extent, size)


def _extended(mask: np.ndarray) -> np.ndarray:
    """Return a region, or if it is a single pixel, as of a landmark, a square about it."""
    if mask.sum() != 1:
        return mask
    side = POINT * min(mask.shape)
    (row,), (column,) = np.nonzero(mask)
    return box_mask(float(row), float(column), np.array([side, side]), mask.shape)


__all__ = ["MOST", "POINT", "Shown", "regions_asked"]
