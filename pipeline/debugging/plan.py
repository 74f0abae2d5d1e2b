"""What the loop will compute: the trials of every fix and of its control, and the sums of each step."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.pipeline.debugging.choose import chooser_of
from filterscope.pipeline.debugging.fixes import COLLECT, RELABEL, Fix
from filterscope.pipeline.debugging.mend import mend
from filterscope.pipeline.debugging.options import DebugOptions
from filterscope.pipeline.debugging.summing import Sum, sum_up
from filterscope.pipeline.debugging.trial import (
    BEFORE,
    CONTROL,
    FIX,
    SUM,
    TRY,
    Stand,
    Task,
    bench_of,
    block_of,
    carry_out,
    record_of,
    stand_of,
)
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.engine.keys import Fingerprint, Key, Keys
from filterscope.pipeline.engine.stage import Stage, Step, Work
from filterscope.pipeline.methods.bias.options import BiasOptions
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan


@dataclass(frozen=True)
class Asked:
    """What is asked of the loop.

    Attributes
    ----------
    run : Path
        The audit.
    model : str
        Its model.
    fixes : tuple of Fix
        What is done, each apart from the others.
    options : DebugOptions
        How.
    device, threads : str, int
        Where it trains.
    """

    run: Path
    model: str
    fixes: tuple[Fix, ...]
    options: DebugOptions
    device: str = "cpu"
    threads: int = 1


def model_of(plan: Plan, name: str | None) -> str:
    """Return the model that is mended.

    Raises
    ------
    InputError
        If there is no such one, or several and none is named.
    """
    names = [model.name for model in plan.models]
    if name is None and len(names) > 1:
        raise InputError(f"the run has the models {', '.join(names)}; name one with --model")
    if name is not None and name not in names:
        raise InputError(f"--model {name}: {plan.run} has {', '.join(names)}.{did_you_mean(name, names)}")
    return name or names[0]


def stages_of(asked: Asked) -> list[Stage]:
    """Return the stages of the loop: the trials, and then their sums. Nothing is trained.

    Raises
    ------
    InputError
        If something asked for cannot be done, as far as that is known before.
    """
    stand = stand_of(asked.run, asked.model, asked.options, record_of(asked.run))
    before = _task(asked, stand, None, BEFORE, 0)
    tasks, sums = {before.key: before}, {}
    for fix in asked.fixes:
        arms = {
            arm: [_task(asked, stand, fix, arm, seed) for seed in range(asked.options.seeds)] for arm in (FIX, CONTROL)
        }
        tasks |= {task.key: task for own in arms.values() for task in own}
        keys = {arm: tuple(task.key for task in own) for arm, own in arms.items()}
        sum_of = _sum(asked, stand, fix, before.key, keys[FIX], keys[CONTROL])
        sums[sum_of.task.key] = sum_of
    return [
        Stage(TRY, Keys([list(tasks)]), _alone(tasks), (Step(carry_out, float(asked.threads)),)),
        Stage(SUM, Keys([list(sums)]), _alone(sums), (Step(sum_up),)),
    ]


def rehearse(asked: Asked, missing: Iterable[Key]) -> None:
    """Go through the first trial of each fix and of its control that is not done, without training anything.

    Raises
    ------
    InputError
        If one cannot be carried out: too few images, no region, labels that a person has not given yet.
    """
    stand, blocks = (
        stand_of(asked.run, asked.model, asked.options, record_of(asked.run)),
        {key.place[-1] for key in missing},
    )
    for fix in asked.fixes:
        left = [(arm, n) for arm in (FIX, CONTROL) for n in range(asked.options.seeds)]
        left = [one for one in left if block_of(stand.problem, fix, *one) in blocks]
        if left:
            bench = replace(bench_of(_task(asked, stand, fix, *left[0]), stand), rehearsing=True)
            for control in dict.fromkeys(arm == CONTROL for arm, _ in left):
                mend(bench, fix, left[0][1], control=control)


def _alone(tasks: Mapping[Key, Any]) -> Any:
    def group(missing: Iterable[Key]) -> Iterator[Work]:
        return (Work((key,), tasks[key]) for key in missing)

    return group


def _task(asked: Asked, stand: Stand, fix: Fix | None, arm: str, seed: int) -> Task:
    parameters = _parameters(asked, stand)
    if fix is not None:
        parameters |= _of_fix(asked, stand, fix) | {"arm": arm, "seed": seed}
    key = Key(TRY, (asked.model, block_of(stand.problem, fix, arm, seed)), Fingerprint(parameters))
    return Task(key, asked.run, asked.model, asked.options, fix, arm, seed, asked.device, asked.threads)


def _sum(asked: Asked, stand: Stand, fix: Fix, before: Key, fixes: Sequence[Key], controls: Sequence[Key]) -> Sum:
    inputs = {key.place[-1]: key.fingerprint.digest for key in (before, *fixes, *controls)}
    key = Key(SUM, (asked.model, block_of(stand.problem, fix)), Fingerprint({"fix": fix.text}, inputs))
    task = Task(key, asked.run, asked.model, asked.options, fix, device=asked.device, threads=asked.threads)
    return Sum(task, before, tuple(fixes), tuple(controls))


def _parameters(asked: Asked, stand: Stand) -> dict[str, Any]:
    """Return what measurements depend on, of any network."""
    import torch

    material, options = stand.material, asked.options
    return {
        "weights": material.description.weights,
        "old": material.old.identity,
        "new": material.new.identity,
        "problem": stand.problem.parameters,
        "mask": stand.plan.of(BiasOptions).mask,
        "regions": list(stand.plan.of(BiasOptions).regions),
        **{name: getattr(options, name) for name in ("measured", "omega_views", "edit_views")},
        "device": asked.device,
        "threads": asked.threads,
        "torch": str(torch.__version__),
    }


def _of_fix(asked: Asked, stand: Stand, fix: Fix) -> dict[str, Any]:
    """Return what the weights after a fix depend on beside that."""
    options, found = asked.options, {"fix": fix.text}
    stated = {name: getattr(options, name) for name in ("steps", "learning_rate", "batch")}
    if fix.kind == COLLECT:
        found["choose"] = by = chooser_of(options.choose, stand.problem)
        if by == "influence":
            found["ranking"] = _digest(record_of(asked.run))
    if fix.kind == RELABEL:
        answers = (
            schemas.scan_debug_labels(asked.run).filter(pl.col("model") == asked.model).sort("what", "view").collect()
        )
        found |= {"choose": options.choose, "labels": _digest(answers.select("what", "view", "label").write_csv())}
    learned = hashlib.sha256(np.ascontiguousarray(stand.material.learned).tobytes()).hexdigest()
    return found | stated | {"learned": learned}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plan_of(run: Path) -> Plan:
    """Return the plan of an audit. Raises InputError if there is none."""
    return RunFolder.existing(run).plan()


__all__ = ["Asked", "model_of", "plan_of", "rehearse", "stages_of"]
