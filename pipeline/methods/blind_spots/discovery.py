"""Stage `discovery`: how many unknown unknowns each policy finds, question by question, by the true classes on file."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from filterscope.operators.blind_spots.discovery import POLICIES, questions
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.blind_spots.options import BlindSpotsOptions
from filterscope.pipeline.methods.blind_spots.stage import MEMBERS, by_model, written
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import ModelTask
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import read_table
from filterscope.schemas.results import TABLES

#: Trials of each policy.
TRIALS = 20


def discover(task: ModelTask) -> list[Output]:
    """Let every policy ask about the views whose true class is on file, and write what it finds."""
    members = pl.DataFrame(read_table(task.plan.run, "partition_members", task.key.place, stage="blind-spots"))
    labelled = members.filter(pl.col("wrong").is_not_null())
    parts = [TABLES["discovery"].empty_table()]
    for (critical, method), own in labelled.group_by("class", "method", maintain_order=True):
        if own["wrong"].any():
            parts += _trials(task, {"class": str(critical), "method": str(method)}, own.sort("view"))
    return [written(task, {"discovery": pa.concat_tables(parts)})]


def _trials(task: ModelTask, known: dict[str, str], members: pl.DataFrame) -> Iterator[pa.Table]:
    budget = task.plan.of(BlindSpotsOptions).budget
    partition, wrong = members["partition"].to_numpy(), members["wrong"].to_numpy().astype(np.int8)
    confidence = members["confidence"].to_numpy().astype(np.float64)
    for policy in POLICIES:
        for trial in range(TRIALS):
            seed = seed_of("discovery", task.model.weights_sha256, known["class"], trial)
            asked = questions(policy, partition.astype(np.int64), wrong, confidence, budget, seed)
            yield _rows({"model": task.model.name, **known, "policy": policy, "seed": trial}, np.cumsum(wrong[asked]))


def _rows(known: dict[str, Any], found: np.ndarray) -> pa.Table:
    columns = {name: [value] * len(found) for name, value in known.items()}
    columns |= {"question": np.arange(1, len(found) + 1), "found": found}
    schema = TABLES["discovery"]
    return pa.Table.from_arrays([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the curves depend on beside the partitions."""
    return {"budget": plan.of(BlindSpotsOptions).budget, "trials": TRIALS, "policies": list(POLICIES)}


DISCOVERY = StageKind(
    "discovery", reads=(MEMBERS,), writes=(Table("discovery"),), plan=by_model(discover), parameters=parameters
)

__all__ = ["DISCOVERY", "TRIALS"]
