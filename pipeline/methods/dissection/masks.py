"""Stage `masks`: rasterise every concept once for each geometry and mask resolution; all models share the result."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from filterscope.operators.dissection.masks import Regions, leave_out, mask_block
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.keys import Grid, Key, Keys
from filterscope.pipeline.engine.stage import Output, Stage, Step, Work
from filterscope.pipeline.methods.dissection.artifacts import MASKS
from filterscope.pipeline.methods.dissection.concepts import Vocabulary
from filterscope.pipeline.methods.dissection.options import mask_key, mask_size
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import start_of, view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.masks import MaskStore
from filterscope.pipeline.views.geometry import Geometry, Window

#: Of a table of regions, number of the image, of what is there, and run lengths of its pixels; None is the whole image.
_Rows = Iterable[tuple[int, int, bytes | None]]


@dataclass(frozen=True)
class MaskTask:
    """The labels of one block of views in one geometry."""

    key: Key
    store: MaskStore
    plan: Plan
    geometry: Geometry
    size: tuple[int, int]
    start: int
    stop: int


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what masks depend on."""
    block, views = plan.options.image_block, plan.options.view_settings.parameters
    return {"data": plan.data_identity, "masks": mask_key(plan, model), "image_block": block, **views}


def plan_masks(kind: StageKind, plan: Plan, prints: Prints) -> list[Stage]:
    """Plan the masks of all models: a key for each geometry and block of views."""
    users = {mask_key(plan, model): model for model in reversed(plan.models)}
    cuts = view_blocks(plan)
    keys = Keys([Grid(kind.name, ((name,),), cuts, prints.of(kind, user)) for name, user in users.items()])
    drawn = {name: (user.geometry(plan.options.geometry), mask_size(plan, user)) for name, user in users.items()}
    return [Stage(kind.name, keys, partial(_works, plan.only(), drawn), (Step(rasterise),))]


def _works(plan: Plan, drawn: dict[str, tuple[Geometry, tuple[int, int]]], missing: Iterable[Key]) -> Iterator[Work]:
    for key in missing:
        name, block = key.place
        start = start_of(block)
        stop = min(start + plan.options.image_block, plan.view_count)
        yield Work((key,), MaskTask(key, MaskStore(plan.run, name), plan, *drawn[name], start, stop))


def rasterise(task: MaskTask) -> list[Output]:
    """Sample, pack and store the masks of one image block."""
    dataset, views = Dataset(task.plan.data), list(task.plan.views.windows(task.start, task.stop))
    images = min(image for image, _ in views), max(image for image, _ in views) + 1
    labelled = ((row["image"], row["concept"] - 1, row["mask"]) for row in dataset.segments(*images))
    labels = _sample(task, dataset, views, labelled)
    if dataset.has_ignored:
        vocabulary = Vocabulary.of(dataset)
        ignored = _sample(task, dataset, views, _ignored(dataset, vocabulary, *images))
        labels = [leave_out(*both, vocabulary.category) for both in zip(labels, ignored, strict=True)]
    masks = mask_block(labels, *task.size)
    digest = task.store.write(task.key.place[-1], masks)
    return [Output(task.key, len(masks.concept), len(views), checksums={"masks": digest})]


def _ignored(dataset: Dataset, vocabulary: Vocabulary, start: int, stop: int) -> _Rows:
    """Yield the ignored regions of images [start, stop), numbered as `operators.dissection.masks` does."""
    concepts = len(vocabulary.names)
    for row in dataset.ignored_regions(start, stop):
        if row["concept"] is not None:
            yield row["image"], concepts + row["concept"] - 1, row["mask"]
        elif row["category"] in vocabulary.categories:
            yield row["image"], 2 * concepts + vocabulary.categories.index(row["category"]), row["mask"]


def _sample(task: MaskTask, dataset: Dataset, views: list[tuple[int, Window]], rows: _Rows) -> list[Regions]:
    """Return what regions of images cover of each view; those of one number are united."""
    first, last = min(image for image, _ in views), max(image for image, _ in views)
    sizes = dataset.images.select(["height", "width"]).slice(first, last + 1 - first).to_pylist()
    shown: dict[int, list[int]] = {}
    for view, (image, _) in enumerate(views):
        shown.setdefault(image, []).append(view)
    regions: list[Regions] = [{} for _ in views]
    for image, number, counts in rows:
        here = shown.get(image, ())
        try:
            mask = None if counts is None or not here else decode_mask(counts, **sizes[image - first])
        except ValueError as error:
            what = f"a mask of image {image} in the data set {dataset.folder} is damaged: {error}"
            raise InputError(f"{what}; import the data set again") from None
        for view in here:
            sampled = None if mask is None else task.geometry.mask(mask, task.size, views[view][1])
            _unite(regions[view], number, sampled)
    return regions


def _unite(regions: Regions, number: int, mask: np.ndarray | None) -> None:
    """Add a mask, or with None the whole view, to what a number covers of a view."""
    before = regions.get(number, mask)
    regions[number] = None if before is None or mask is None else before | mask


MASKS_STAGE = StageKind("masks", reads=(), writes=(MASKS,), plan=plan_masks, parameters=parameters)
