"""Stage `significance`: pools the null over the live units of a layer, and says which labels chance does not explain."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.statistics.expectation import LEVEL, HeldOut, expected_iou
from filterscope.operators.statistics.significance import FALSE_DISCOVERY_RATE, significance, steadiness
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.artifacts import LABELS, UNITS
from filterscope.pipeline.methods.dissection.concepts import Vocabulary, read_eligible, read_labels
from filterscope.pipeline.methods.dissection.options import mask_key
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.significance import null
from filterscope.pipeline.methods.significance.null import NULL
from filterscope.pipeline.methods.tasks import LayerTask, by_layer
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import read_table, write_table
from filterscope.schemas.results import TABLES
from filterscope.schemas.significance import DEAD, NOT_STORED, NOT_TESTABLE, SATURATED

#: Share of a concept's pixels that a permutation leaves labelled, above which it cannot be tested.
STEADY = 0.5


def pool(task: LayerTask) -> list[Output]:
    """Pool the blocks of a layer and write its rows of both tables."""
    layer = _Layer(task)
    rows, checksums = 0, {}
    for name, table in (("unit_significance", layer.unit_table()), ("layer_significance", layer.layer_table())):
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, [table])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


def expectation(found: Mapping[str, np.ndarray], share: np.ndarray, live: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the IoU of each label is expected to be on new images: mean, low and high, NaN for units without one.

    Parameters
    ----------
    found : mapping of str to ndarray
        Findings of the stage `null` on all U units of a layer.
    share : float64 ndarray of shape (folds,)
        Share of all groups in each fold.
    live : bool ndarray of shape (U,)
        Units that count.
    """
    of_folds = HeldOut(
        found["training_iou"][:, live],
        found["expected_union"][:, live],
        found["sums"][..., live],
        found["products"][..., live],
        share,
    )
    labelled = live & (found["label"] >= 0)
    expected = expected_iou(of_folds, found["observed"][labelled])
    spread = {name: np.full(len(live), np.nan) for name in ("mean", "low", "high")}
    for name, values in spread.items():
        values[labelled] = getattr(expected, name)
    return spread


def leave_untested(task: LayerTask) -> list[Output]:
    """Write the rows of a layer whose activations are not stored: permutations would need a forward pass each."""
    units = task.layer.channels
    columns = {
        "model": [task.model.name] * units,
        "layer": [task.layer.name] * units,
        "unit": np.arange(units, dtype=np.int32),
        "note": [NOT_STORED] * units,
    }
    schema = TABLES["unit_significance"]
    nulls = {name: pa.nulls(units, schema.field(name).type) for name in schema.names if name not in columns}
    table = pa.table({**columns, **nulls}).select(schema.names).cast(schema)
    rows, digest = write_table(task.plan.run, "unit_significance", task.key.place, [table])
    return [Output(task.key, rows, checksums={"unit_significance": digest})]


class _Layer:
    """What the blocks of a layer found, put together."""

    def __init__(self, task: LayerTask) -> None:
        self.task, plan = task, task.plan
        place, key = task.key.place[:-1], mask_key(plan, task.model)
        parts, status = [], []
        for name, _, _ in blocks("units", task.layer.channels, plan.options.unit_block):
            parts.append(null.read_null(plan.run, (*place, name)))
            found = read_table(plan.run, "units", (*place, name), stage="dissect", columns=["unit", "status"])
            status += found.sort_by("unit")["status"].to_pylist()
        self.share = parts[0]["share"]
        self.found = {
            name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0] if name != "share"
        }
        self.status = np.array(status)
        self.live = self.status == "live"
        self.vocabulary = Vocabulary.of(Dataset(plan.data))
        self.eligible = read_eligible(plan.run, key)
        self.null = self.found["null"][:, self.live]
        self.pooled = significance(self.found["observed"][self.live], self.null)
        label, labels = self.found["label"], read_labels(plan.run, key)
        steady = steadiness(labels.coverage, labels.concepts[:, 1], labels.category_views[self.vocabulary.category])
        self.testable = self.live & ~((label >= 0) & (steady[label] > STEADY))
        self.q_value, self.p_value = (self._spread(values) for values in (self.pooled.q_value, self.pooled.p_value))
        self.significant = self.q_value <= FALSE_DISCOVERY_RATE
        self.expected = expectation(self.found, self.share, self.live)

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """Put the values of the live units among all; NaN for units that cannot be tested."""
        spread = np.full(len(self.live), np.nan)
        spread[self.live] = values
        return np.where(self.testable, spread, np.nan)

    def unit_table(self) -> pa.Table:
        """Return the rows of `unit_significance`."""
        found, units = self.found, len(self.live)
        columns = {
            "model": [self.task.model.name] * units,
            "layer": [self.task.layer.name] * units,
            "unit": np.arange(units, dtype=np.int32),
            "q_value": _nullable(self.q_value),
            "p_value": _nullable(self.p_value),
            "significant": self.significant,
            "expected_iou": _nullable(self.expected["mean"]),
            "interval_low": _nullable(self.expected["low"]),
            "interval_high": _nullable(self.expected["high"]),
            "iou_heldout": _nullable(found["iou_heldout"]),
            "folds_agree": found["folds_agree"].astype(np.int32),
            "halves_agree": found["halves_agree"],
            "label_replicates": found["replicates"],
            "effective_groups": found["effective_groups"],
            "p_place": _nullable(found["p_place"]),
            "note": pa.array([self._note(unit) for unit in range(units)], pa.string()),
        }
        return pa.table(columns, schema=TABLES["unit_significance"])

    def _note(self, unit: int) -> str | None:
        untested = None if self.testable[unit] else NOT_TESTABLE
        return {"dead": DEAD, "saturated": SATURATED}.get(self.status[unit], untested)

    def layer_table(self) -> pa.Table:
        """Return the row of `layer_significance`."""
        over, again = (self.null > DETECTOR_IOU).sum(axis=1), self.found["null_replicates"][:, self.live].sum(axis=1)
        eligible = np.bincount(self.vocabulary.category[self.eligible], minlength=len(self.vocabulary.categories))
        row = {
            "model": self.task.model.name,
            "layer": self.task.layer.name,
            "live": int(self.live.sum()),
            "over_cutoff": int((self.found["observed"][self.live] > DETECTOR_IOU).sum()),
            "expected_by_chance": float(over.mean()),
            "significant": int(self.significant.sum()),
            "replicating": int((self.found["replicates"] & self.live).sum()),
            "calibrated_cutoff": self.pooled.calibrated_cutoff,
            "testable": int(self.testable.sum()),
            "eligible": [
                {"category": category, "concepts": int(count)}
                for category, count in zip(self.vocabulary.categories, eligible, strict=True)
            ],
            "permutations": len(self.null),
            "expected_by_chance_sd": float(over.std()),
            "least_by_chance": int(over.min()),
            "most_by_chance": int(over.max()),
            "significant_over_cutoff": int((self.significant & (self.found["observed"] > DETECTOR_IOU)).sum()),
            "replicating_by_chance": float(again.mean()),
            "replicating_by_chance_sd": float(again.std()),
            "replicating_least_by_chance": int(again.min()),
            "replicating_most_by_chance": int(again.max()),
        }
        return pa.Table.from_pylist([row], schema=TABLES["layer_significance"])


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


SIGNIFICANCE = StageKind(
    "significance",
    reads=(NULL, UNITS, LABELS),
    writes=(Table("unit_significance"), Table("layer_significance")),
    plan=by_layer(pool),
    parameters=lambda plan, model: {"false_discovery_rate": FALSE_DISCOVERY_RATE, "steady": STEADY, "level": LEVEL},
)

#: Where activations are not stored there is nothing to permute annotations against.
UNTESTED = StageKind(
    "significance",
    reads=(),
    writes=(Table("unit_significance"),),
    plan=by_layer(leave_untested),
    parameters=lambda plan, model: {"store": plan.options.store},
)
