"""Stage `local-features`: the local feature vectors of a layer, projected, for one block of images.

Activations are read by unit, and a vector takes all units at one position: this stage adds them up, a block of units after
the other, so that others can look up a vector without reading the layer. A file holds 32 float16 numbers for each view and
position; it is mapped into memory where it is read.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.patterns.local_features import DIMENSIONS, add_channels, normalised, signs
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, Unit, blocks
from filterscope.pipeline.methods.extraction import extract
from filterscope.pipeline.methods.tasks import LayerTask
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.places import is_object, readable, write_atomically


@dataclass(frozen=True)
class ImagesTask(LayerTask):
    """Views `start` to `stop` - 1 through one layer."""

    start: int
    stop: int


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the local feature vectors of a model depend on."""
    return Fingerprint({"dimensions": DIMENSIONS}, {"extract": extract.fingerprint(plan, model).digest})


def local_features_stage(plan: Plan) -> Stage:
    """Plan the stage: one unit for each model, layer and image block."""
    tasks = {}
    for model in plan.models:
        depends = fingerprint(plan, model)
        for layer in model.layers:
            for block, start, stop in blocks("images", plan.images, plan.options.image_block):
                unit = Unit("local-features", (model.name, layer.name, block), depends)
                tasks[unit] = ImagesTask(unit, plan, model, layer, start, stop)
    return Stage.of("local-features", tasks, project)


def project(task: ImagesTask) -> list[Output]:
    """Project the vectors of one image block at all positions and write them."""
    layer, options = task.layer, task.plan.options
    store = ActivationStore(task.plan.run, task.model.name, layer.name)
    views, positions = task.stop - task.start, layer.height * layer.width
    matrix = signs(layer.channels, seed_of("local-features", task.model.weights_sha256, layer.name))
    sums, squares = np.zeros((views, positions, DIMENSIONS), np.float32), np.zeros((views, positions), np.float32)
    for _, first, last in blocks("units", layer.channels, options.unit_block):
        maps = store.read(task.start, task.stop, slice(first, last))
        add_channels(sums, squares, maps, matrix[first:last])
    sink = io.BytesIO()
    np.save(sink, normalised(sums, squares))
    write_atomically(features_path(task.plan.run, task.unit.place), sink.getvalue())
    return [Output(task.unit, views, checksums={"features": hashlib.sha256(sink.getvalue()).hexdigest()})]


def features_bytes(plan: Plan) -> int:
    """Return the bytes of all vectors that the stage writes: 32 float16 numbers a view and position of every layer."""
    positions = sum(layer.height * layer.width for model in plan.models for layer in model.layers)
    return 2 * DIMENSIONS * plan.images * positions


def features_path(run: Path, place: Sequence[str]) -> Path:
    """Return where the vectors of (model, layer, block) lie."""
    return run.joinpath("features", *place[:-1], f"{place[-1]}.npy")


def read_features(task: LayerTask, view: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the projected vectors at n places of a layer, float16 of shape (n, 32)."""
    found = np.empty((len(view), DIMENSIONS), np.float16)
    for block, start, stop in blocks("images", task.plan.images, task.plan.options.image_block):
        here = np.flatnonzero((view >= start) & (view < stop))
        if len(here):
            path = features_path(task.plan.run, (task.model.name, task.layer.name, block))
            stored = np.load(readable(path), mmap_mode=None if is_object(path) else "r", allow_pickle=False)
            found[here] = stored[view[here] - start, position[here]]
    return found
