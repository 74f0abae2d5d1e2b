"""Stage `edit`: the part found with the nodes that a person left, beside those that chance and a simulated person leave.

A piece of work is a question that decisions are kept of: one model, category, part and choice of layers, shots and share.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.localization.measures import bootstrap_means, interval, normalised_distance
from filterscope.operators.localization.pruning import misses, worst_half
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.graph.learn import NODE_POSITIONS, NODES
from filterscope.pipeline.methods.localize.edits import REMOVE, Asked, kept_edits
from filterscope.pipeline.methods.localize.retrieved import Retrieved
from filterscope.pipeline.methods.localize.trial import NODE_SHARPNESS
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

BEFORE, AFTER, RANDOM = "before", "after", "random removal"
SIMULATED, RANDOM_SIMULATED = "simulated user", "random removal, simulated"
ORACLE = "oracle on held-out crops"

#: Random removals, and decisions between two rows of the curve.
RANDOM_DRAWS, STEP = 20, 5


@dataclass(frozen=True)
class EditTask(ModelTask):
    """Decisions on the nodes that were retrieved for one question."""

    asked: Asked
    decisions: tuple[tuple[str, str, float], ...]


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside the graph: every decision that the run keeps."""
    kept = {block: rows for block, (_, _, rows) in kept_edits(plan, model).items()}
    return {"edits": kept, "random_draws": RANDOM_DRAWS, "step": STEP, "sharpness": NODE_SHARPNESS}


def plan_edits(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each question that decisions are kept of; those on another graph are let be."""
    tasks = dict[Key, EditTask]()
    for model, own in each_model(plan):
        for block, (asked, fingerprint, rows) in kept_edits(plan, model).items():
            if fingerprint != asked.fingerprint(plan, model, prints):
                continue
            key = key_of(kind, (model.name, block), model, prints)
            decisions = tuple((row["node"], row["decision"], row["seconds"]) for row in rows)
            tasks[key] = EditTask(key, own, model, asked, decisions)
    return one(kind, tasks, find_again)


def find_again(task: EditTask) -> list[Output]:
    """Find the part with and without the nodes that were removed and write the rows of `edited_localization`."""
    rows = list(rows_of(Retrieved.of(task.plan, task.model, task.asked), task.decisions))
    table = pa.Table.from_pylist(rows, schema=TABLES["edited_localization"])
    count, digest = write_table(task.plan.run, "edited_localization", task.key.place, [table])
    return [Output(task.key, count, checksums={"edited_localization": digest})]


def simulated(retrieved: Retrieved, rows: np.ndarray) -> np.ndarray:
    """Return which nodes a simulated person removes who knows the part on some crops: bool of shape (N,)."""
    nodes, found = retrieved.nodes, retrieved.found
    at = np.ix_(rows, nodes)
    removed = np.zeros(len(retrieved.names), bool)
    removed[nodes[worst_half(misses(found.position[at], found.fired[at], retrieved.parts.centre[rows]))]] = True
    return removed


def rows_of(retrieved: Retrieved, decisions: Sequence[tuple[str, str, float]]) -> Iterator[dict[str, object]]:
    """Yield the rows: before, after every few decisions and after all, then the controls."""
    measured = _Measured(retrieved)
    yield measured.row(BEFORE, [measured.nothing])
    number = {name: at for at, name in enumerate(retrieved.names)}
    removed, seconds = measured.nothing.copy(), 0.0
    for place, (node, decision, took) in enumerate(decisions, 1):
        removed[number[node]] = decision == REMOVE
        seconds += took
        if place % STEP == 0 or place == len(decisions):
            yield {**measured.row(AFTER, [removed]), "decisions": place, "seconds": seconds}
    yield measured.row(RANDOM, measured.random(int(removed.sum())))
    user = simulated(retrieved, retrieved.parts.annotatable)
    yield measured.row(SIMULATED, [user])
    yield measured.row(RANDOM_SIMULATED, measured.random(int(user.sum())))
    yield measured.row(ORACLE, [simulated(retrieved, retrieved.parts.heldout)])


class _Measured:
    """How far off the part is found on the held-out crops, with nodes removed and without."""

    def __init__(self, retrieved: Retrieved) -> None:
        self._of, self._asked = retrieved, retrieved.asked
        self._seed = seed_of("edit", self._asked.category, self._asked.part)
        self.nothing = np.zeros(len(retrieved.names), bool)
        self._before = self._distance(self.nothing)

    def random(self, count: int) -> list[np.ndarray]:
        """Return random removals of as many of the retrieved nodes."""
        chosen = []
        for draw in range(RANDOM_DRAWS):
            bits = np.random.PCG64(seed_of("edit", "random", self._seed, draw)).random_raw(len(self._of.nodes))
            removed = self.nothing.copy()
            removed[self._of.nodes[np.argsort(bits, kind="stable")[:count]]] = True
            chosen.append(removed)
        return chosen

    def row(self, method: str, removals: Sequence[np.ndarray]) -> dict[str, object]:
        """Return the row of one way to remove nodes, or of the mean of several."""
        own = np.stack([self._distance(removed) for removed in removals])
        mine, other = self._drawn(own), self._drawn(np.broadcast_to(self._before, own.shape).copy())
        low, high = interval(mine)
        row = {
            **asdict(self._asked), "method": method, "nodes": len(self._of.nodes), "removed": int(removals[0].sum()),
            "images": own.shape[1], "distance": float(own.mean()), "distance_low": low, "distance_high": high,
        }  # fmt: skip
        if self._before.mean() > 0:
            less = 1 - np.divide(mine, other, out=np.full(len(mine), np.nan), where=other > 0)
            row["less"] = 1 - float(own.mean() / self._before.mean())
            row["less_low"], row["less_high"] = interval(less)
        return row

    def _distance(self, removed: np.ndarray) -> np.ndarray:
        parts = self._of.parts
        found = self._of.locate(parts.heldout, removed)
        return normalised_distance(found, parts.centre[parts.heldout], self._of.extent)

    def _drawn(self, values: np.ndarray) -> np.ndarray:
        return bootstrap_means(values, self._of.parts.image[self._of.parts.heldout], self._seed)


EDIT = StageKind(
    "edit",
    reads=(NODES, NODE_POSITIONS, MAXIMA),
    writes=(Table("edited_localization"),),
    plan=plan_edits,
    parameters=parameters,
)

__all__ = [
    "AFTER", "BEFORE", "EDIT", "ORACLE", "RANDOM", "RANDOM_SIMULATED", "SIMULATED", "EditTask", "find_again", "rows_of",
    "simulated",
]  # fmt: skip
