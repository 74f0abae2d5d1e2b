"""Stage `masks`: rasterise every concept once for each geometry and mask resolution; all models share the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from operators.masks import mask_block
from pipeline.datasets.layout import Dataset, decode_mask
from pipeline.geometry import Geometry
from pipeline.plan import Plan
from pipeline.stage import Fingerprint, Output, Stage, Step, Unit, Work, blocks
from pipeline.stores import MaskStore


@dataclass(frozen=True)
class MaskTask:
    """The labels of one image block in one geometry."""

    unit: Unit
    store: MaskStore
    data: Path
    geometry: Geometry
    size: tuple[int, int]
    start: int
    stop: int


def fingerprint(plan: Plan, key: str) -> Fingerprint:
    """Return what masks depend on."""
    return Fingerprint({"data": plan.data_identity, "masks": key, "image_block": plan.options.image_block})


def masks_stage(plan: Plan) -> Stage:
    """Plan the masks of all models: one unit for each geometry and image block."""
    geometries = {plan.mask_key(m): (m.geometry(plan.options.geometry), plan.mask_size(m)) for m in plan.models}
    image_blocks = blocks("images", plan.images, plan.options.image_block)
    tasks = {}
    for key, (geometry, size) in geometries.items():
        depends = fingerprint(plan, key)
        for name, start, stop in image_blocks:
            unit = Unit("masks", (key, name), depends)
            tasks[unit] = MaskTask(unit, MaskStore(plan.run, key), plan.data, geometry, size, start, stop)
    return Stage("masks", tuple(tasks), partial(_group, tasks), (Step(rasterise),))


def _group(tasks: dict[Unit, MaskTask], missing: Sequence[Unit]) -> list[Work]:
    return [Work((unit,), tasks[unit]) for unit in missing]


def rasterise(task: MaskTask) -> list[Output]:
    """Sample, pack and store the masks of one image block."""
    dataset = Dataset(task.data)
    sizes = dataset.images.slice(task.start, task.stop - task.start)
    heights, widths = sizes["height"].to_pylist(), sizes["width"].to_pylist()
    labels: list[dict[int, np.ndarray | None]] = [{} for _ in heights]
    for row in dataset.segments(task.start, task.stop):
        image, concept = row["image"] - task.start, row["concept"] - 1
        if row["mask"] is None:
            labels[image][concept] = None
            continue
        mask = decode_mask(row["mask"], heights[image], widths[image])
        sampled = task.geometry.mask(mask, task.size)
        if concept in labels[image]:
            before = labels[image][concept]
            labels[image][concept] = None if before is None else before | sampled
        else:
            labels[image][concept] = sampled
    masks = mask_block(labels, *task.size)
    digest = task.store.write(task.unit.place[-1], masks)
    return [Output(task.unit, len(masks.concept), len(heights), checksums={"masks": digest})]
