"""What stages that measure units share: which they measure, maxima to read, and a table of one row per unit to write."""

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from filterscope.operators.activations.strongest import Strongest
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.run.selection import units_in
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

_READ_VIEWS = 4096


def named_or_drawn(named: str | None, count: int, model: PlannedModel, layer: Layer) -> np.ndarray:
    """Return the units of a layer that a costly method measures, ascending, int64.

    Parameters
    ----------
    named : str, optional
        Those that a person names, such as ``3,17,40-47``.
    count : int
        How many are drawn otherwise, by the identity of the weights and the layer: the same for every method.

    Raises
    ------
    InputError
        If a unit that is named is not in the layer.
    """
    if named:
        return np.array(units_in(named, layer, model.name), np.int64)
    seed = hashlib.sha256(f"{model.weights_sha256}/{layer.name}".encode()).digest()[:8]
    random = np.random.default_rng(int.from_bytes(seed, "little"))
    return np.sort(random.choice(layer.channels, min(count, layer.channels), replace=False))


def strongest_of(plan: Plan, model: PlannedModel, layer: Layer, units: np.ndarray, count: int) -> np.ndarray:
    """Return the strongest views of some units of a layer, best first, int64 of shape (units, at most `count`)."""
    store, strongest = ActivationStore(plan.run, model.name, layer.name), Strongest.empty(len(units))
    for start in range(0, plan.view_count, _READ_VIEWS):
        maxima = store.read_maxima(start, min(start + _READ_VIEWS, plan.view_count), slice(None))[:, units]
        seen = np.flatnonzero(~np.isnan(maxima[:, 0]))
        strongest = strongest.merge(start + seen, maxima[seen].astype(np.float32), count)
    return strongest.image


def read_maxima(task: BlockTask) -> Iterator[np.ndarray]:
    """Yield the units' maxima on the views that were decoded, float32 of shape (n, U), in order of the views."""
    store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
    for _, start, stop in blocks("images", task.plan.view_count, task.plan.options.image_block):
        maxima = store.read_maxima(start, stop, slice(task.start, task.stop)).astype(np.float32)
        yield maxima[~np.isnan(maxima[:, 0])]


def write_rows(task: BlockTask, table: str, columns: Mapping[str, np.ndarray]) -> list[Output]:
    """Write one row per unit of a block to its part of a table, and return what the stage reports.

    Parameters
    ----------
    task : BlockTask
        The block of U units.
    table : str
        The table, a name of `schemas.results.TABLES`.
    columns : mapping of str to ndarray of shape (U,)
        Its columns beside model, layer and unit. NaN becomes null where the column may be null.

    Returns
    -------
    list of Output
        One, with the rows and the checksum of the file.
    """
    units = np.arange(task.start, task.stop, dtype=np.int32)
    known = {"model": [task.model.name] * len(units), "layer": [task.layer.name] * len(units), "unit": units, **columns}
    schema = TABLES[table]
    arrays = [pa.array(known[field.name], field.type, from_pandas=field.nullable) for field in schema]
    rows, digest = write_table(task.plan.run, table, task.key.place, [pa.Table.from_arrays(arrays, schema=schema)])
    return [Output(task.key, rows, checksums={table: digest})]


__all__ = ["named_or_drawn", "read_maxima", "strongest_of", "write_rows"]
