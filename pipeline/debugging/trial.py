"""Pieces of work of the loop: a measurement of the network as it is, trials of a fix and its control, and what they came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.debugging.fixes import PASTE, RELABEL, Fix
from filterscope.pipeline.debugging.labels import corrections_of
from filterscope.pipeline.debugging.material import Material, material_of
from filterscope.pipeline.debugging.measure import Asked, measured
from filterscope.pipeline.debugging.mend import Bench, Mended, mend
from filterscope.pipeline.debugging.options import DebugOptions
from filterscope.pipeline.debugging.problem import Problem, found
from filterscope.pipeline.debugging.regions import pasted_region, regions_of
from filterscope.pipeline.engine.keys import Fingerprint, Key, Keys
from filterscope.pipeline.engine.stage import Output, Stage, Step
from filterscope.pipeline.methods.bias.options import BiasOptions
from filterscope.pipeline.models.names import network_path
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace, Table
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.tables import write_table
from filterscope.pipeline.training.exact import exactly
from filterscope.pipeline.training.fine_tune import Trained
from filterscope.schemas.results import TABLES

#: Stages.
TRY, SUM = "debug", "debug-steps"
BEFORE, FIX, CONTROL = "before", "fix", "control"


@dataclass(frozen=True)
class Task:
    """A trial.

    Attributes
    ----------
    key : Key
        Its place: model, and problem, step, arm and seed in one.
    run : Path
        The audit.
    model : str
        Its model.
    options : DebugOptions
        How it is mended and measured.
    fix : Fix, optional
        None: the network as it is.
    arm : str
        `FIX`, `CONTROL`, or `BEFORE` of the network as it is.
    seed : int
        Number of the trial.
    device, threads : str, int
        Where it trains.
    """

    key: Key
    run: Path
    model: str
    options: DebugOptions
    fix: Fix | None = None
    arm: str = BEFORE
    seed: int = 0
    device: str = "cpu"
    threads: int = 1


def block_of(problem: Problem, fix: Fix | None, arm: str = "", seed: int = 0) -> str:
    """Return the last part of the key of a trial, or without an arm of the sum of a step; it ends in no number of its own."""
    step = () if fix is None else (f"{fix.kind}{fix.count or ''}",)
    tail = () if not arm else (arm,) if fix is None else (arm, f"s{seed}")
    return "-".join((problem.slug, *step, *tail))


def values_path(run: Path, place: KeyPlace) -> Path:
    """Return where the numbers of a trial lie."""
    return run.joinpath("debug", *place[:-1], f"{place[-1]}.npz")


def network_name(place: KeyPlace) -> str:
    """Return what the mended network of a trial is called."""
    model, block = place
    return f"{model}-{block}".replace(f"-{FIX}-", "-")


def _network(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> dict[str, Path]:
    return {"network": network_path(run, network_name(place))} if "network" in checksums else {}


VALUES = Artifact.single("debug_values", values_path)
WRITES = {
    TRY: (VALUES, Artifact("network", _network), Table("debug_choices")),
    SUM: (Table("debug_steps"), Table("debug_found")),
}


@dataclass(frozen=True)
class Stand:
    """What all trials of a problem share."""

    plan: Plan
    material: Material
    problem: Problem
    asked: Asked


@lru_cache(maxsize=1)
def stand_of(run: Path, model: str, options: DebugOptions, record: str) -> Stand:
    """Find the problem of a model of an audit, collect images, and settle what is measured.

    `record` is what the audit stands at, so that a process does not go on with an older one.
    """
    plan = RunFolder(run).plan()
    planned = plan.model(model)
    material = material_of(plan, planned, options.measured)
    problem = found(plan, planned, material, options)
    count = len(material.measuring())
    order = np.random.default_rng(seed_of("debug", "omega", material.new.identity)).permutation(count)
    bias, edits = plan.of(BiasOptions), options.edit_views
    regions = regions_of(plan, planned, material, problem) if edits else ()
    return Stand(plan, material, problem, Asked(bias.mask, np.sort(order[: options.omega_views]), regions, edits))


def record_of(run: Path) -> str:
    """Return what changes when an audit is extended: its finished work that problems are found in."""
    ledger = RunFolder(run).ledger
    stages = ("bias", "blind-spots", "influence-head")
    return "\n".join(sorted(f"{one['key']} {one['checksums']}" for stage in stages for one in ledger.records(stage)))


def carry_out(task: Task) -> list[Output]:
    """Carry out a trial: write what was chosen, the mended network, and what it does on each image that measures.

    Raises
    ------
    InputError
        If the fix cannot be carried out.
    """
    stand = stand_of(task.run, task.model, task.options, record_of(task.run))
    place, control = task.key.place, task.arm == CONTROL
    with exactly(task.device, task.threads):
        mended = _mended(task, stand, control=control)
        columns, values = measured(mended.trained, stand.material, stand.problem, stand.asked)
    names = np.array([(one.measure, one.label, one.group) for one in columns])
    stored = {"columns": names, "values": values, "looked": np.array(mended.looked)}
    checksums = {VALUES.name: write_arrays(values_path(task.run, place), stored)}
    if task.fix is not None and not control:
        checksums["network"] = mended.trained.save(network_path(task.run, network_name(place)))
    rows = _choices(task, stand, mended, control)
    if task.fix is not None:
        table = pa.Table.from_pylist(rows, schema=TABLES["debug_choices"])
        _, checksums["debug_choices"] = write_table(task.run, "debug_choices", place, [table])
    return [Output(task.key, len(rows), len(values), checksums=checksums)]


def _mended(task: Task, stand: Stand, *, control: bool) -> Mended:
    none = np.zeros(0, np.int64)
    if task.fix is None:
        return Mended(Trained.open(stand.material.source, task.device), none, none, 0.0)
    return mend(bench_of(task, stand), task.fix, task.seed, control=control)


def bench_of(task: Task, stand: Stand) -> Bench:
    """Return what the fix of a task is made of."""
    assert task.fix is not None
    plan, material, problem = stand.plan, stand.material, stand.problem
    masks: tuple[np.ndarray | None, ...] = ()
    if task.fix.kind == PASTE and problem.pair is not None:
        masks = pasted_region(plan, plan.model(task.model), material, problem)
    corrections = None
    if task.fix.kind == RELABEL:
        by = "influence" if task.options.choose == "auto" else task.options.choose
        corrections = corrections_of(task.run, task.model, material, problem, task.fix.count, by)
    return Bench(plan, task.model, material, problem, task.options, masks, corrections, task.device, task.threads)


def _choices(task: Task, stand: Stand, mended: Mended, control: bool) -> list[dict[str, object]]:
    if task.fix is None:
        return []
    side = stand.material.old if task.fix.kind in (RELABEL, PASTE) else stand.material.new
    known = {"model": task.model, "problem": stand.problem.name, "step": task.fix.text, "seed": task.seed}
    known["arm"] = CONTROL if control else FIX
    image = side.views.image
    views = [{"image": int(image[view]), "view": view, "unit": None} for view in mended.views.tolist()]
    units = [{"image": None, "view": None, "unit": unit} for unit in mended.units.tolist()]
    return [{**known, "place": place, **own} for place, own in enumerate([*views, *units])]


def finished(run: Path) -> list[Stage]:
    """Return the finished pieces of work of the loop as stages, to be looked at."""
    found = []
    for name in WRITES:
        records = RunFolder(run).ledger.records(name)
        keys = [
            Key(name, tuple(one["key"].split("/")[1:]), Fingerprint(one["parameters"], one["inputs"]))
            for one in records
        ]
        found.append(Stage(name, Keys([keys]), lambda missing: iter(()), (Step(carry_out),)))
    return found


def read_trial(run: Path, place: KeyPlace) -> dict[str, np.ndarray]:
    """Read the numbers of a trial; raises DamagedError if the file is not the one that was written."""
    return read_arrays(Promise(run, (TRY,), tuple(place)).read(VALUES.name, values_path(run, place)))


__all__ = ["BEFORE", "CONTROL", "FIX", "SUM", "TRY", "WRITES", "Stand", "Task", "bench_of", "block_of", "carry_out", "finished",
           "network_name", "read_trial", "record_of", "stand_of"]  # fmt: skip
