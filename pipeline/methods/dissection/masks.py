"""Stage `masks`: rasterise every concept once for each geometry and mask resolution; all models share the result."""

from dataclasses import dataclass

import numpy as np

from filterscope.operators.dissection.masks import mask_block
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, Unit, blocks
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.activations import MaskStore
from filterscope.pipeline.views.geometry import Geometry

#: Mask of each concept of a view; None labels all of it.
Labels = dict[int, np.ndarray | None]


@dataclass(frozen=True)
class MaskTask:
    """The labels of one image block in one geometry."""

    unit: Unit
    store: MaskStore
    plan: Plan
    geometry: Geometry
    size: tuple[int, int]
    start: int
    stop: int


def fingerprint(plan: Plan, key: str) -> Fingerprint:
    """Return what masks depend on."""
    block, views = plan.options.image_block, plan.options.view_settings.parameters
    return Fingerprint({"data": plan.data_identity, "masks": key, "image_block": block, **views})


def masks_stage(plan: Plan) -> Stage:
    """Plan the masks of all models: one unit for each geometry and image block."""
    geometries = {plan.mask_key(m): (m.geometry(plan.options.geometry), plan.mask_size(m)) for m in plan.models}
    image_blocks = blocks("images", plan.images, plan.options.image_block)
    tasks = {}
    for key, (geometry, size) in geometries.items():
        depends = fingerprint(plan, key)
        for name, start, stop in image_blocks:
            unit = Unit("masks", (key, name), depends)
            tasks[unit] = MaskTask(unit, MaskStore(plan.run, key), plan, geometry, size, start, stop)
    return Stage.of("masks", tasks, rasterise)


def rasterise(task: MaskTask) -> list[Output]:
    """Sample, pack and store the masks of one image block."""
    dataset, views = Dataset(task.plan.data), list(task.plan.views.windows(task.start, task.stop))
    first, last = min(image for image, _ in views), max(image for image, _ in views)
    sizes = dataset.images.select(["height", "width"]).slice(first, last + 1 - first).to_pylist()
    shown: dict[int, list[int]] = {}
    for view, (image, _) in enumerate(views):
        shown.setdefault(image, []).append(view)
    labels: list[Labels] = [{} for _ in views]
    for row in dataset.segments(first, last + 1):
        here, concept = shown.get(row["image"], ()), row["concept"] - 1
        mask = None if row["mask"] is None or not here else decode_mask(row["mask"], **sizes[row["image"] - first])
        for view in here:
            sampled = None if mask is None else task.geometry.mask(mask, task.size, views[view][1])
            _unite(labels[view], concept, sampled)
    masks = mask_block(labels, *task.size)
    digest = task.store.write(task.unit.place[-1], masks)
    return [Output(task.unit, len(masks.concept), len(views), checksums={"masks": digest})]


def _unite(labels: Labels, concept: int, mask: np.ndarray | None) -> None:
    """Add a mask, or with None the whole view, to what a concept labels of a view."""
    before = labels.get(concept, mask)
    labels[concept] = None if before is None or mask is None else before | mask
