"""What other stages read of dissection: thresholds of a block of units, and its maps beside the masks."""

from collections.abc import Iterator

import numpy as np

from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.methods.dissection.options import mask_key
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.masks import MaskStore
from filterscope.pipeline.stores.tables import read_table
from filterscope.pipeline.views.whole_images import Part, whole_images


def read_thresholds(task: BlockTask) -> np.ndarray:
    """Read T of a block's units, float32 of shape (U,), as it was compared with stored values."""
    columns = ("unit", "threshold")
    table = read_table(task.plan.run, "thresholds", task.key.place, stage="dissect", columns=columns)
    natural = table.sort_by("unit")["threshold"].to_numpy()
    return natural * np.float32(task.plan.options.activation_scale)


def read_views(task: BlockTask) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield block name, numbers, maxima (n, U) and maps (n, U, h, w) of the views that were decoded, block by block."""
    store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
    span = slice(task.start, task.stop)
    for name, start, stop in blocks("images", task.plan.view_count, task.plan.options.image_block):
        maxima = store.read_maxima(start, stop, span).astype(np.float32)
        seen = ~np.isnan(maxima[:, 0])
        maps = store.read(start, stop, span)
        if not seen.all():
            maxima, maps = maxima[seen], maps[seen]
        yield name, start + np.flatnonzero(seen), maxima, maps


def read_labelled(task: BlockTask) -> Iterator[Part]:
    """Yield numbers, masks, and maxima and maps as of `read_views`, of all decoded views; those of an image together."""
    store, plan = MaskStore(task.plan.run, mask_key(task.plan, task.model)), task.plan
    parts = (
        (views, store.read(name).take(views % plan.options.image_block), (maxima, maps))
        for name, views, maxima, maps in read_views(task)
    )
    return whole_images(parts, plan.views.image)
