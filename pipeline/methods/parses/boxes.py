"""Which boxes are parsed: objects in whole images, crops of objects, or whole images by their class."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.outputs.options import OutputsOptions
from filterscope.pipeline.methods.outputs.truth import stated_labels
from filterscope.pipeline.methods.parses.options import ParsesOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.training.lesson import held_out_groups
from filterscope.pipeline.views.geometry import Geometry, Window
from filterscope.pipeline.views.views import ViewSettings

BACKGROUND = "background"
#: A background box overlaps no object by more than this; so many are drawn to find one.
_OVERLAP, _TRIES = 0.3, 32


@dataclass(frozen=True)
class Boxes:
    """The boxes of a run, by view.

    Attributes
    ----------
    view, image, object : int64 ndarray of shape (n,)
        View and image of each, and object; -1 for none.
    flip : bool ndarray of shape (n,)
        Whether the view is mirrored.
    category : int64 ndarray of shape (n,)
        Index into `names`.
    names : tuple of str
        Categories, sorted; background last.
    box : float64 ndarray of shape (n, 4)
        Left, top, right and bottom as shares of the network input.
    heldout : bool ndarray of shape (n,)
        Whether it is not learned from.
    twin : int64 ndarray of shape (n,)
        Number of the same box in the other of a view and its mirror image; -1 where there is none.
    """

    view: np.ndarray
    image: np.ndarray
    object: np.ndarray
    flip: np.ndarray
    category: np.ndarray
    names: tuple[str, ...]
    box: np.ndarray
    heldout: np.ndarray
    twin: np.ndarray

    def __len__(self) -> int:
        return len(self.view)


@dataclass(frozen=True)
class _Asked:
    """What boxes depend on; a process keeps those it was asked for last."""

    identity: str
    views: ViewSettings
    geometry: Geometry
    background: bool
    heldout: float
    truth: str
    plan: Plan = field(compare=False, repr=False)


def boxes_of(plan: Plan, model: PlannedModel) -> Boxes:
    """Return the boxes of a run as a network sees them."""
    asked, truth = plan.of(ParsesOptions), plan.of(OutputsOptions).truth
    geometry = model.geometry(plan.options.geometry)
    return _made(
        _Asked(plan.data_identity, plan.options.view_settings, geometry, asked.background, asked.heldout, truth, plan)
    )


@lru_cache(maxsize=2)
def _made(asked: _Asked) -> Boxes:
    plan, dataset = asked.plan, Dataset(asked.plan.data)
    if plan.options.view_settings.of_objects:
        rows = _of_crops(plan)
    elif dataset.rows("objects"):
        rows = _of_objects(dataset, asked)
    else:
        rows = _of_images(plan)
    view, number, found, box = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    present = set(found)
    names = (*sorted(present - {BACKGROUND}), *sorted(present & {BACKGROUND}))
    views, at = plan.views, np.array(view, np.int64)
    category = np.array([names.index(name) for name in found], np.int64)
    group = views.group[at].astype(np.int64)
    every = np.ones(len(at), bool)
    heldout = held_out_groups(group, every, category, asked.heldout, asked.identity) if rows else every
    image, flip = views.image[at].astype(np.int64), views.flip[at]
    numbers = np.array(number, np.int64)
    where = {key: place for place, key in enumerate(zip(image.tolist(), number, flip.tolist(), strict=True))}
    twin = [
        where.get((key[0], key[1], not key[2]), -1) for key in zip(image.tolist(), number, flip.tolist(), strict=True)
    ]
    return Boxes(
        at, image, numbers, flip, category, names, np.array(box, np.float64).reshape(-1, 4), heldout,
        np.array(twin, np.int64),
    )  # fmt: skip


_Row = tuple[int, int, str, tuple[float, float, float, float]]
_WHOLE = (0.0, 0.0, 1.0, 1.0)


def _of_crops(plan: Plan) -> list[_Row]:
    views = plan.views
    return [
        (view, int(views.object[view]), category or BACKGROUND, _WHOLE) for view, category in enumerate(views.category)
    ]


def _of_images(plan: Plan) -> list[_Row]:
    names, label = stated_labels(plan)
    known = [(view, int(label[image])) for view, image in enumerate(plan.views.image.tolist())]
    return [(view, -1, names[index], _WHOLE) for view, index in known if index >= 0]


def _of_objects(dataset: Dataset, asked: _Asked) -> list[_Row]:
    views = asked.plan.views
    of_image: dict[int, list[tuple[int, str, np.ndarray]]] = {}
    for row in dataset.table("objects").to_pylist():
        own = int(row["object"]), str(row["category"]), np.array(row["box"], np.float64)
        of_image.setdefault(row["image"], []).append(own)
    heights, widths = (dataset.images[name].to_pylist() for name in ("height", "width"))
    rows: list[_Row] = []
    for view, (image, window) in enumerate(views.windows(0, len(views))):
        size, here = (heights[image], widths[image]), of_image.get(image, [])
        drawn = np.array([box for _, _, box in here])
        if asked.background and here:
            away = _background(drawn, size, asked.identity, image)
            here = here if away is None else [*here, (-1, BACKGROUND, away)]
        for number, category, box in here:
            seen = _seen(box, size, window, asked.geometry)
            if seen is not None:
                rows.append((view, number, category, seen))
    return rows


def _seen(
    box: np.ndarray, size: tuple[int, int], window: Window, geometry: Geometry
) -> tuple[float, float, float, float] | None:
    """Return a box (x0, y0, x1, y1, ends outside) as shares of the network input; None if nothing of it is seen."""
    x, y = geometry.points(box[[0, 2]] - 0.5, box[[1, 3]] - 0.5, size, window)
    height, width = geometry.size
    left, right = (np.clip(np.sort((x + 0.5) / width), 0, 1)).tolist()
    top, bottom = (np.clip(np.sort((y + 0.5) / height), 0, 1)).tolist()
    return (left, top, right, bottom) if left < right and top < bottom else None


def _background(boxes: np.ndarray, size: tuple[int, int], identity: str, image: int) -> np.ndarray | None:
    """Draw a box as large as one of the objects that overlaps none much; None if there is no room."""
    random = np.random.default_rng(seed_of("parses", "background", identity, image))
    height, width = size
    for _ in range(_TRIES):
        own = boxes[random.integers(len(boxes))]
        wide, high = min(own[2] - own[0], width), min(own[3] - own[1], height)
        left, top = random.uniform(0, width - wide), random.uniform(0, height - high)
        drawn = np.array([left, top, left + wide, top + high])
        if _overlaps(drawn, boxes).max() < _OVERLAP:
            return drawn
    return None


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of a box and others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return np.asarray(both / np.maximum(areas - both, 1e-9))


__all__ = ["BACKGROUND", "Boxes", "boxes_of"]
