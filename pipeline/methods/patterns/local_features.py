"""Stage `local-features`: the local feature vectors of a layer, projected, for one block of images.

Activations are read by unit, and a vector takes all units at one position: this stage adds them up, a block of units after
the other, so that others can look up a vector without reading the layer. A file holds 32 float16 numbers for each view and
position; it is mapped into memory where it is read.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.patterns.local_features import DIMENSIONS, add_channels, normalised, signs
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.artifacts import MAPS
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import LayerTask, ViewsTask, by_views
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.arrays import map_array, write_array
from filterscope.pipeline.stores.artifacts import Artifact
from filterscope.pipeline.stores.promises import Promise


def project(task: ViewsTask) -> list[Output]:
    """Project the vectors of one image block at all positions and write them."""
    layer, options = task.layer, task.plan.options
    store = ActivationStore(task.plan.run, task.model.name, layer.name)
    views, positions = task.stop - task.start, layer.height * layer.width
    matrix = signs(layer.channels, seed_of("local-features", task.model.weights_sha256, layer.name))
    sums, squares = np.zeros((views, positions, DIMENSIONS), np.float32), np.zeros((views, positions), np.float32)
    for _, first, last in blocks("units", layer.channels, options.unit_block):
        maps = store.read(task.start, task.stop, slice(first, last))
        add_channels(sums, squares, maps, matrix[first:last])
    digest = write_array(features_path(task.plan.run, task.key.place), normalised(sums, squares))
    return [Output(task.key, views, checksums={"features": digest})]


def features_bytes(plan: Plan) -> int:
    """Return the bytes of all vectors that the stage writes: 32 float16 numbers per view and position of every layer."""
    positions = sum(layer.height * layer.width for model in plan.models for layer in model.layers)
    return 2 * DIMENSIONS * plan.view_count * positions


def features_path(run: Path, place: Sequence[str]) -> Path:
    """Return where the vectors of (model, layer, block) lie."""
    return run.joinpath("features", *place[:-1], f"{place[-1]}.npy")


def read_features(task: LayerTask, view: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the projected vectors at n places of a layer, float16 of shape (n, 32)."""
    found = np.empty((len(view), DIMENSIONS), np.float16)
    for block, start, stop in blocks("images", task.plan.view_count, task.plan.options.image_block):
        here = np.flatnonzero((view >= start) & (view < stop))
        if len(here):
            place = (task.model.name, task.layer.name, block)
            promise = Promise(task.plan.run, (LOCAL_FEATURES.name,), place)
            stored = map_array(promise.read(FEATURES.name, features_path(task.plan.run, place)))
            found[here] = stored[view[here] - start, position[here]]
    return found


#: Vectors of a layer on a block of views.
FEATURES = Artifact.single("features", features_path)

LOCAL_FEATURES = StageKind(
    "local-features",
    reads=(MAPS,),
    writes=(FEATURES,),
    plan=by_views(project),
    parameters=lambda plan, model: {"dimensions": DIMENSIONS},
    bytes=features_bytes,
)
