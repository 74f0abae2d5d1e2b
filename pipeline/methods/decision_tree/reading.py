"""The pooled gradients that one tree is grown from."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from filterscope.pipeline.methods.decision_tree.pooled import NAME, POOLED
from filterscope.pipeline.methods.tasks import LayerTask, view_blocks
from filterscope.pipeline.stores.tables import read_table


@dataclass(frozen=True)
class TreeTask(LayerTask):
    """The views of one category through one layer."""

    category: str | None


@dataclass(frozen=True)
class Rows:
    """Pooled gradients of the views of one category at one layer, by view."""

    view: np.ndarray
    member: np.ndarray
    classes: np.ndarray
    score: np.ndarray
    linear: np.ndarray
    maps: np.ndarray
    slopes: np.ndarray
    peaks: np.ndarray

    @classmethod
    def of(cls, task: TreeTask) -> "Rows":
        """Read them."""
        columns = ("view", "member", "class", "score", "linear", "maps", "slopes", "peaks")
        parts = [
            read_table(task.plan.run, POOLED.name, (task.model.name, task.layer.name, block), stage=NAME)
            for block, _, _ in view_blocks(task.plan)
        ]
        table = pa.concat_tables(parts)
        mine = pa.array([category == task.category for category in table["category"].to_pylist()], pa.bool_())
        table = table.filter(mine).combine_chunks()
        units = task.layer.channels
        flat = [table[name].combine_chunks() for name in columns]
        arrays = [
            column.flatten().to_numpy().reshape(-1, units) if pa.types.is_list(column.type) else column.to_numpy(False)
            for column in flat
        ]
        return cls(*arrays)


__all__ = ["Rows", "TreeTask"]
