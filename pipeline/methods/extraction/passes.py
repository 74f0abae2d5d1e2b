"""Dissection without stored activations: two forward passes, and what they leave of every span of images merged by sums.

`histograms` runs every network once and keeps, of each unit, how often each activation occurs; `thresholds` merges these;
`tallies` runs every network again and tallies; the stage `dissect` merges the tallies. The findings equal those from stored
activations bit for bit, since all that is merged are integers, and both passes use the image blocks and batches of `extract`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.pipeline.engine.stage import Fingerprint, Stage, Unit, blocks
from filterscope.pipeline.methods.extraction.extract import (
    ExtractTask,
    by_images,
    finished,
    forward_step,
    write_rejects,
)
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.places import remove_tree
from filterscope.pipeline.views.decode import decode_views

#: Image blocks of a unit of work: what a span leaves does not grow with its images as activations do.
SPAN = 16

#: Folders of a run that hold what the passes left.
_LEFT = ("histograms", "thresholds", "tallies")


def spans(plan: Plan) -> list[tuple[str, int, int]]:
    """Return name, start and stop of the spans of images."""
    return blocks("images", plan.images, plan.options.image_block * SPAN)


def forward_stage(
    name: str, plan: Plan, factories: dict[str, Callable[[], Any]],
    fingerprint: Callable[[Plan, PlannedModel], Fingerprint], actor: type,
) -> Stage:  # fmt: skip
    """Plan a stage that runs the networks: one unit for each model, layer and span of images."""
    units = []
    for model in plan.models:
        depends = fingerprint(plan, model)
        units += [
            Unit(name, (model.name, layer.name, span), depends) for span, _, _ in spans(plan) for layer in model.layers
        ]
    limits = {span: (start, stop) for span, start, stop in spans(plan)}
    return Stage(name, tuple(units), partial(by_images, plan, limits, factories), (forward_step(plan, actor),))


def left_path(run: Path, stage: str, place: Sequence[str]) -> Path:
    """Return where a unit of one of these stages leaves its arrays."""
    return run.joinpath(stage, *place[:-1], f"{place[-1]}.npz")


def remove_passes(plan: Plan) -> None:
    """Delete what the passes over a plan's layers left, once the findings are written."""
    for model in plan.models:
        for layer in model.layers:
            for stage in _LEFT:
                remove_tree(plan.run / stage / model.name / layer.name)


def passes_removed(plan: Plan, model: str, layer: str) -> bool:
    """Tell whether the findings of a layer cannot be made from what is there."""
    return not all((plan.run / stage / model / layer).is_dir() for stage in _LEFT)


class ForwardPass:
    """Runs networks over the image blocks of a span, as `extract` does."""

    def __init__(self) -> None:
        from filterscope.pipeline.models.held import HeldModels

        self._models = HeldModels()

    def blocks(
        self, task: ExtractTask
    ) -> Iterator[tuple[str, ExtractTask, np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]]:
        """Yield name, task and rejected images (bool) of each block, and settled maps and maxima of each layer."""
        layers, plan = tuple(unit.place[1] for unit in task.units), task.plan
        forward = self._models.forward(plan, task.model, layers, task.factory)
        for name, start, stop in blocks("images", plan.images, plan.options.image_block):
            if not task.start <= start < task.stop:
                continue
            part = replace(task, start=start, stop=stop)
            decoded = decode_views(plan, start, stop, task.model.geometry(plan.options.geometry))
            rejected = np.array([bool(reason) for reason in decoded.reasons])
            maps = forward(decoded.pixels)
            settled = {layer: (maps[layer], finished(maps[layer], part, layer, rejected)) for layer in layers}
            write_rejects(part, decoded.reasons)
            yield name, part, rejected, settled
