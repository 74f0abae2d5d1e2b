"""Dissection without stored activations: two forward passes, and what they leave of every span of images merged by sums.

`histograms` runs every network once and keeps, of each unit, how often each activation occurs; `thresholds` merges these;
`tallies` runs every network again and tallies; the stage `dissect` merges the tallies. The findings equal those from stored
activations bit for bit, since all that is merged are integers, and both passes use the image blocks and batches of `extract`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Stage
from filterscope.pipeline.methods.extraction.extract import (
    PassTask,
    by_model_and_views,
    finished,
    forward_step,
    write_rejects,
)
from filterscope.pipeline.methods.extraction.panels import SPAN
from filterscope.pipeline.methods.extraction.scale import refuse_lost, tell_vanished
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import Planner, grids, planned_views
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import remove_tree

#: Folders of a run that hold what the passes left.
_LEFT = ("histograms", "thresholds", "tallies")


def spans(plan: Plan) -> Sequence[tuple[str, int, int]]:
    """Return name, start and stop of the spans of views."""
    return blocks("images", plan.view_count, plan.options.image_block * SPAN)


def by_spans(actor: type) -> Planner:
    """Return what plans the stage of a class that runs the networks: a key for each model, layer and span of views."""

    def plan_spans(kind: StageKind, plan: Plan, prints: Prints) -> list[Stage]:
        cuts = spans(plan)
        keys, group = grids(kind, plan, prints, cuts), by_model_and_views(plan, cuts)
        return [Stage(kind.name, keys, group, (forward_step(plan, actor),))]

    return plan_spans


def left_path(run: Path, stage: str, place: Sequence[str]) -> Path:
    """Return where a piece of work of one of these stages leaves its arrays."""
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


def left_removed(run: Path, place: Sequence[str]) -> bool:
    """Tell whether what the passes over a layer left was deleted, once its findings were written."""
    return not any((run / stage / place[0] / place[1]).is_dir() for stage in _LEFT)


class ForwardPass:
    """Runs networks over the image blocks of a span, as `extract` does."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def blocks(
        self, task: PassTask
    ) -> Iterator[tuple[str, PassTask, np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]]:
        """Yield name, task and rejected images (bool) of each block, and settled maps and maxima of each layer."""
        layers, plan = tuple(key.place[1] for key in task.keys), task.plan
        network = self._networks.network(plan, task.model, layers)
        for name, start, stop in blocks("images", plan.view_count, plan.options.image_block):
            if not task.start <= start < task.stop:
                continue
            part = replace(task, start=start, stop=stop)
            decoded = planned_views(plan, task.model, start, stop)
            rejected = np.array([bool(reason) for reason in decoded.reasons])
            maps = network.maps(decoded.pixels)
            settled = {layer: (maps[layer], finished(maps[layer], part, layer, rejected)) for layer in layers}
            refuse_lost(network, task.model.name, maps, decoded.pixels, ~rejected)
            if start == 0:
                tell_vanished(network, plan, task.model.name, maps, decoded.pixels, ~rejected)
            write_rejects(part, decoded.reasons)
            yield name, part, rejected, settled
