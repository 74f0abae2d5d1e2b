"""Stage `pooled-maps`: the mean over positions of every map of a block of views."""

import numpy as np
import pyarrow as pa

from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import LayerTask, ViewsTask, by_views, view_blocks
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import lists, read_table, write_table
from filterscope.schemas.results import TABLES

NAME = "pooled-maps"
POOLED = Table("pooled_maps")


def pool(task: ViewsTask) -> list[Output]:
    """Pool the maps of one block of views, and write its part of `pooled_maps`."""
    plan, store = task.plan, ActivationStore(task.plan.run, task.model.name, task.layer.name)
    seen = ~np.isnan(store.read_maxima(task.start, task.stop, slice(0, 1))[:, 0])
    parts = []
    for first in range(0, task.layer.channels, plan.options.unit_block):
        units = slice(first, min(first + plan.options.unit_block, task.layer.channels))
        maps = store.read(task.start, task.stop, units)[seen]
        parts.append(maps.mean(axis=(2, 3), dtype=np.float64) / plan.options.activation_scale)
    means, views = np.concatenate(parts, axis=1).astype(np.float32), task.start + np.flatnonzero(seen)
    columns = {
        "model": [task.model.name] * len(views),
        "layer": [task.layer.name] * len(views),
        "image": plan.views.image[views],
        "view": views.astype(np.int32),
        "means": lists(means),
    }
    table = pa.table(columns, schema=TABLES[POOLED.name])
    rows, digest = write_table(plan.run, POOLED.name, task.key.place, [table])
    return [Output(task.key, rows, len(np.unique(plan.views.image[views])), checksums={POOLED.name: digest})]


def read_pooled(task: LayerTask, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and pooled maps of the views of a layer that were decoded and are `wanted`.

    Parameters
    ----------
    task : LayerTask
        The layer, of D units.
    wanted : bool ndarray of shape (views,)
        Of all views of the run.

    Returns
    -------
    views : int64 ndarray of shape (n,)
        In order.
    means : float64 ndarray of shape (n, D)
    """
    views, means = [np.zeros(0, np.int64)], [np.zeros((0, task.layer.channels))]
    for block, start, stop in view_blocks(task.plan):
        if wanted[start:stop].any():
            place = (task.model.name, task.layer.name, block)
            table = read_table(task.plan.run, POOLED.name, place, stage=NAME, columns=("view", "means"))
            found = table["view"].to_numpy()
            flat = table["means"].combine_chunks().flatten().to_numpy().reshape(len(found), task.layer.channels)
            views.append(found[wanted[found]].astype(np.int64))
            means.append(flat[wanted[found]].astype(np.float64))
    return np.concatenate(views), np.concatenate(means)


POOLED_STAGE = StageKind(
    NAME,
    reads=(MAPS, MAXIMA),
    writes=(POOLED,),
    plan=by_views(pool),
    parameters=lambda plan, model: {"pooling": "mean"},
)

__all__ = ["NAME", "POOLED", "POOLED_STAGE", "read_pooled"]
