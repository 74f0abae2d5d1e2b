"""Stage `parse-cells`: the mean of every unit over the cells of each box, a block of views at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from filterscope.operators.parses.boxes import box_cells
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.outputs import truth
from filterscope.pipeline.methods.parses.boxes import boxes_of
from filterscope.pipeline.methods.parses.options import ParsesOptions
from filterscope.pipeline.methods.tasks import LayerTask, ViewsTask, by_views, view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact
from filterscope.pipeline.stores.promises import Promise

_STAGE = "parse-cells"


def cells_path(run: Path, place: Sequence[str]) -> Path:
    """Return where the cells of the boxes of a block of views lie."""
    return run.joinpath(_STAGE, *place[:-1], f"{place[-1]}.npz")


def cut(task: ViewsTask) -> list[Output]:
    """Average the maps of one block over the cells of its boxes and write them."""
    plan, layer = task.plan, task.layer
    boxes, k = boxes_of(plan, task.model), plan.of(ParsesOptions).cells
    mine = np.flatnonzero((boxes.view >= task.start) & (boxes.view < task.stop))
    store = ActivationStore(plan.run, task.model.name, layer.name)
    seen = ~np.isnan(store.read_maxima(task.start, task.stop, slice(0, 1))[:, 0])
    mine = mine[seen[boxes.view[mine] - task.start]]
    parts = [np.zeros((len(mine), k * k, 0), np.float32)]
    for _, first, last in blocks("units", layer.channels, plan.options.unit_block):
        maps = store.read(task.start, task.stop, slice(first, last))
        parts.append(box_cells(maps[boxes.view[mine] - task.start], boxes.box[mine], k))
    arrays = {"box": mine, "cells": np.concatenate(parts, axis=2)}
    digest = write_arrays(cells_path(plan.run, task.key.place), arrays)
    return [Output(task.key, task.stop - task.start, checksums={CELLS.name: digest})]


def read_cells(task: LayerTask) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes of a layer whose views could be decoded, and their cells, float32 of shape (n, k * k, C)."""
    numbers, cells = [], []
    for block, _, _ in view_blocks(task.plan):
        place = (task.model.name, task.layer.name, block)
        read = Promise(task.plan.run, (_STAGE,), place).read(CELLS.name, cells_path(task.plan.run, place))
        stored = read_arrays(read)
        numbers.append(stored["box"])
        cells.append(stored["cells"])
    return np.concatenate(numbers), np.concatenate(cells)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, object]:
    """Return what cells depend on beside the maps and the data set."""
    asked = plan.of(ParsesOptions)
    return {"cells": asked.cells, "background": asked.background, **truth.parameters(plan, model)}


#: Cells of the boxes of a block of views.
CELLS = Artifact.single(_STAGE, cells_path)

CUT = StageKind(_STAGE, reads=(MAPS, MAXIMA), writes=(CELLS,), plan=by_views(cut), parameters=parameters)

__all__ = ["CELLS", "CUT", "cells_path", "read_cells"]
