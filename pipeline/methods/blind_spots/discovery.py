"""Stage `discovery`: how many unknown unknowns each policy finds, question by question, by the true classes on file."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from filterscope.operators.blind_spots.discovery import POLICIES, found
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
    budget, seed = task.plan.of(BlindSpotsOptions).budget, (task.model.weights_sha256, known["class"])
    for policy, counts in curves_of(members, members["wrong"], budget, *seed).items():
        for trial, row in enumerate(counts):
            yield _rows({"model": task.model.name, **known, "policy": policy, "seed": trial}, row)


def curves_of(members: pl.DataFrame, wrong: pl.Series, budget: int, *identity: str) -> dict[str, np.ndarray]:
    """Return what each policy finds among views all of whose answers are known.

    Parameters
    ----------
    members : polars.DataFrame
        Rows of `partition_members`, one per view, in order of views.
    wrong : polars.Series
        The answer of each: whether it is an unknown unknown.
    budget : int
        Questions at most.
    *identity : str
        What trials are drawn by.

    Returns
    -------
    dict of str to int64 ndarray of shape (20, questions)
        By policy.
    """
    arms = members.select(pl.struct("class", "partition").rank("dense")).to_series().to_numpy().astype(np.int64)
    answers, seeds = wrong.to_numpy().astype(bool), [seed_of("discovery", *identity, trial) for trial in range(TRIALS)]
    return {policy: found(policy, arms, answers, order_of(policy, members), budget, seeds) for policy in POLICIES}


def order_of(policy: str, members: pl.DataFrame) -> np.ndarray:
    """Return what a policy that sorts goes by, lowest first: float64, one for each of some rows of `partition_members`."""
    by = -members["distance"] if policy == "most-distant" else members["confidence"]
    return by.to_numpy().astype(np.float64)


def _rows(known: dict[str, Any], counts: np.ndarray) -> pa.Table:
    columns: dict[str, Any] = {name: [value] * len(counts) for name, value in known.items()}
    columns |= {"question": np.arange(1, len(counts) + 1), "found": counts}
    schema = TABLES["discovery"]
    return pa.Table.from_arrays([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the curves depend on beside the partitions."""
    return {"budget": plan.of(BlindSpotsOptions).budget, "trials": TRIALS, "policies": list(POLICIES)}


DISCOVERY = StageKind(
    "discovery", reads=(MEMBERS,), writes=(Table("discovery"),), plan=by_model(discover), parameters=parameters
)

__all__ = ["DISCOVERY", "TRIALS", "curves_of", "order_of"]
