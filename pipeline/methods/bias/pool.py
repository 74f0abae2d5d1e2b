"""Stage `region-edits`: what edits take from each attribute on average, as parts of its contrast, beside their controls.

Of each attribute, region and edit one view is kept as an example: the first in the order in which views were drawn.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.bias.relations import Means
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.bias.artifacts import EDITED, SCORES, read_edits
from filterscope.pipeline.methods.bias.asked import seeds_of
from filterscope.pipeline.methods.bias.edit import Sides
from filterscope.pipeline.methods.bias.options import EDITS, BiasOptions
from filterscope.pipeline.methods.bias.regions import regions_asked
from filterscope.pipeline.methods.bias.tables import Region
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of, one, view_blocks
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


def plan_pooling(kind: StageKind, plan: Plan, prints: Prints) -> list[Stage]:
    """Plan a piece of work for each model."""
    tasks = {}
    for model, own in each_model(plan):
        key = key_of(kind, (model.name, "all"), model, prints)
        tasks[key] = ModelTask(key, own, model)
    return list(one(kind, tasks, pool_edits))


def pool_edits(task: ModelTask) -> list[Output]:
    """Write the parts of a model of `region_edits` and `edited_views`."""
    plan, sides = task.plan, Sides.of(task.plan, task.model)
    regions, _ = regions_asked(Dataset(plan.data), plan.of(BiasOptions))
    parts = [read_edits(plan.run, (task.model.name, block)) for block, _, _ in view_blocks(plan)]
    which, scores = (np.concatenate([part[name] for part in parts]) for name in ("rows", "scores"))
    rows, examples = [], []
    for attribute, region, edit in sorted(set(map(tuple, which[:, [0, 2, 3]].tolist()))):
        here = (which[:, [0, 2, 3]] == (attribute, region, edit)).all(axis=1)
        row = _row(plan, which[here, 1], scores[here].astype(np.float64), sides.contrast(attribute))
        known = {"model": task.model.name, "labelled": sides.labelled(attribute), "edit": EDITS[edit]}
        rows.append({**known, **_named(sides.names[attribute], regions[region]), **row})
        view = _first(sides.having(attribute), which[here, 1])
        before, after, control = scores[here][which[here, 1] == view][0].tolist()
        own = {"view": view, "image": int(plan.views.image[view]), "before": before, "after": after, "control": control}
        examples.append({**rows[-1], **own})
    count, checksums = 0, {}
    for name, found in (("region_edits", rows), ("edited_views", examples)):
        table = pa.Table.from_pylist(found, schema=TABLES[name])
        written, checksums[name] = write_table(plan.run, name, task.key.place, [table])
        count += written
    return [Output(task.key, count, checksums=checksums)]


def _first(drawn: np.ndarray, edited: np.ndarray) -> int:
    """Return the first of the drawn views that was edited."""
    return int(drawn[np.isin(drawn, edited)][0])


def _named(attribute: str, region: Region) -> dict[str, Any]:
    role = None if not region.own else "own" if attribute in region.own else "context"
    return {"attribute": attribute, "region": region.name, "role": role}


def _row(plan: Plan, views: np.ndarray, scores: np.ndarray, contrast: float) -> dict[str, Any]:
    """Return what an edit of a region does to an attribute; `scores` are those before, after and of the control."""
    lost = (scores[:, :1] - scores[:, 1:]) / contrast
    found = Means(3)
    found.add(np.column_stack([lost, lost[:, 0] - lost[:, 1]]), seeds_of(plan, views))
    (share, control, effect), (low, high) = found.mean().tolist(), found.interval()
    flips = (scores[:, 1:] < 0).mean(axis=0)
    return {
        "views": len(views),
        "contrast": contrast,
        "share_lost": share,
        "low": float(low[0]),
        "high": float(high[0]),
        "control": control,
        "effect": effect,
        "effect_low": float(low[2]),
        "effect_high": float(high[2]),
        "flips": float(flips[0]),
        "control_flips": float(flips[1]),
    }


POOLING = StageKind(
    "region-edits", reads=(EDITED, SCORES), writes=(Table("region_edits"), Table("edited_views")), plan=plan_pooling
)

__all__ = ["POOLING"]
