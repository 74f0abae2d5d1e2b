"""Stages `attribute-null` and `unit-attribute`: blocks of units with attributes as stated and permuted; pooled over a layer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.attributes.separability import separability
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.significance import FALSE_DISCOVERY_RATE, significance
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import BlockTask, LayerTask, by_layer, by_units
from filterscope.pipeline.methods.unit_attribute.asked import Asked, asked, counts, eligible
from filterscope.pipeline.methods.unit_attribute.options import UnitAttributeOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact, Table
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Permutations of the images.
PERMUTATIONS = 50
_STAGE = "attribute-null"


def null_path(run: Path, place: Sequence[str]) -> Path:
    """Return where the comparison of a block of units lies."""
    return run.joinpath(_STAGE, *place[:-1], f"{place[-1]}.npz")


def compare_block(task: BlockTask) -> list[Output]:
    """Compare one block of units with all attributes, as stated and permuted, and store what the layer is pooled from."""
    plan = task.plan
    images, responses = _responses(task)
    values, group = _attributes(plan).values[images], _groups(plan)[images]
    seeds = [seed_of(plan.data_identity, "unit-attribute", draw) for draw in range(PERMUTATIONS)]
    found = separability(responses, values, group, seeds)
    counted = counts(values, group)
    arrays = {
        **{name: getattr(found, name) for name in ("auc", "d_prime", "score", "null_score", "auc_by_chance")},
        "null_best": found.null_best[..., None],
        "counts": counted[0],
        "eligible": eligible(counted, plan.of(DissectionOptions), plan.grouped),
    }
    digest = write_arrays(null_path(plan.run, task.key.place), arrays)
    return [Output(task.key, task.stop - task.start, checksums={ATTRIBUTE_NULL.name: digest})]


def _responses(task: BlockTask) -> tuple[np.ndarray, np.ndarray]:
    """Return the images that were decoded, and each unit's largest maximum over the views of each, of shape (U, n)."""
    plan, image = task.plan, task.plan.views.image
    store = ActivationStore(plan.run, task.model.name, task.layer.name)
    found = np.full((plan.views.image_count, task.stop - task.start), np.nan, np.float32)
    numbers, row = np.unique(image, return_inverse=True)
    for _, start, stop in blocks("images", plan.view_count, plan.options.image_block):
        maxima = store.read_maxima(start, stop, slice(task.start, task.stop)).astype(np.float32)
        np.fmax.at(found, row[start:stop], maxima)
    seen = ~np.isnan(found[:, 0])
    return numbers[seen], np.ascontiguousarray(found[seen].T)


def _attributes(plan: Plan) -> Asked:
    return asked(Dataset(plan.data), plan.of(UnitAttributeOptions), plan.of(DissectionOptions))


def _groups(plan: Plan) -> np.ndarray:
    """Return the group of each image of the data set that has a view, int64 by the number of the image."""
    group = np.full(int(plan.views.image.max()) + 1, -1)
    group[plan.views.image] = plan.views.group
    return group


def pool(task: LayerTask) -> list[Output]:
    """Pool the blocks of a layer and write its rows of both tables."""
    layer, rows, checksums = _Layer(task), 0, {}
    for name, table in (("unit_attribute", layer.unit_table()), ("layer_attribute", layer.layer_table())):
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, [table])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


class _Layer:
    """What the blocks of a layer found, put together; A attributes that some images have and some lack, and U units."""

    def __init__(self, task: LayerTask) -> None:
        self.task, plan, place = task, task.plan, task.key.place[:-1]
        parts = [
            _read(plan.run, (*place, block))
            for block, _, _ in blocks("units", task.layer.channels, plan.options.unit_block)
        ]
        self.counts = parts[0]["counts"]
        told_apart = self.counts.min(axis=0) > 0
        self.counts, self.eligible = self.counts[:, told_apart], parts[0]["eligible"][told_apart]
        self.names = [name for name, kept in zip(_attributes(plan).names, told_apart, strict=True) if kept]
        self.found = {
            name: np.concatenate([part[name] for part in parts], axis=-1)[..., told_apart, :]
            for name in ("auc", "d_prime", "score", "null_score", "auc_by_chance", "null_best")
        }
        score, null = self.found["score"][self.eligible], self.found["null_score"][:, self.eligible]
        pooled = significance(score.ravel(), null.reshape(PERMUTATIONS, -1))
        self.q_value = np.full(self.found["score"].shape, np.nan)
        self.q_value[self.eligible] = pooled.q_value.reshape(score.shape)
        cutoff = np.inf if pooled.calibrated_cutoff is None else pooled.calibrated_cutoff
        #: Units over the cut-off in each permutation, of shape (B, A).
        self.passing = (self.found["null_score"] >= cutoff).sum(axis=2)

    def unit_table(self) -> pa.Table:
        """Return the rows of `unit_attribute`, by unit."""
        units, count = self.task.layer.channels, len(self.names)
        every = {name: self.found[name].T.ravel() for name in ("auc", "auc_by_chance", "d_prime")}
        columns = {
            "unit": np.repeat(np.arange(units, dtype=np.int32), count),
            "attribute": self.names * units,
            "positives": np.tile(self.counts[1], units),
            "negatives": np.tile(self.counts[0], units),
            **every,
            "d_prime": _nullable(every["d_prime"]),
            "q_value": _nullable(self.q_value.T.ravel()),
        }
        return self._table("unit_attribute", columns)

    def layer_table(self) -> pa.Table:
        """Return the rows of `layer_attribute`."""
        auc, untested = self.found["auc"], ~self.eligible
        away, null = np.abs(auc - 0.5), self.found["null_best"].max(axis=2)
        best = away.argmax(axis=1)
        as_good = (null >= 0.5 + away.max(axis=1)).sum(axis=0)
        columns = {
            "attribute": self.names,
            "positives": self.counts[1],
            "negatives": self.counts[0],
            "best_unit": best.astype(np.int32),
            "best_auc": auc[np.arange(len(best)), best],
            "best_by_chance": null.mean(axis=0),
            "p_value": pa.array((1 + as_good) / (1 + PERMUTATIONS), mask=untested),
            "significant": pa.array((self.q_value <= FALSE_DISCOVERY_RATE).sum(axis=1), mask=untested),
            "expected_by_chance": pa.array(self.passing.mean(axis=0), mask=untested),
            "most_by_chance": pa.array(self.passing.max(axis=0), mask=untested),
        }
        return self._table("layer_attribute", columns)

    def _table(self, name: str, columns: dict[str, Any]) -> pa.Table:
        rows = len(columns["attribute"])
        own = {"model": [self.task.model.name] * rows, "layer": [self.task.layer.name] * rows}
        return pa.table({**own, **columns}, schema=TABLES[name])


def _read(run: Path, place: tuple[str, ...]) -> dict[str, np.ndarray]:
    return read_arrays(Promise(run, (_STAGE,), place).read(ATTRIBUTE_NULL.name, null_path(run, place)))


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the comparison depends on, beside the data set and the maxima."""
    limits = plan.of(DissectionOptions)
    grouped = {"min_groups": limits.min_groups} if plan.grouped else {}
    wanted = plan.of(UnitAttributeOptions).attributes
    return {"permutations": PERMUTATIONS, "attributes": wanted, "min_images": limits.min_images, **grouped}


#: What each block of units of a layer is pooled from.
ATTRIBUTE_NULL = Artifact.single(_STAGE, null_path)

COMPARE = StageKind(
    _STAGE, reads=(MAXIMA,), writes=(ATTRIBUTE_NULL,), plan=by_units(compare_block), parameters=parameters
)

POOL = StageKind(
    "unit-attribute",
    reads=(ATTRIBUTE_NULL,),
    writes=(Table("unit_attribute"), Table("layer_attribute")),
    plan=by_layer(pool),
    parameters=lambda plan, model: {"false_discovery_rate": FALSE_DISCOVERY_RATE},
)

__all__ = ["ATTRIBUTE_NULL", "COMPARE", "PERMUTATIONS", "POOL"]
