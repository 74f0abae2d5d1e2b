"""The verbs `ask` and `answer`: which images to label next, and what a person says of them."""

from pathlib import Path

import polars as pl

from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.methods.blind_spots.asking import Kept, keep_answers, to_ask
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan


def ask(run: str | Path, *, budget: int, policy: str, model: str | None = None) -> pl.DataFrame:
    """Return the views to label next.

    Parameters
    ----------
    run : path
        A run with blind spots.
    budget : int
        Views at most.
    policy : str
        Who asks; see `operators.blind_spots.discovery`.
    model : str, optional
        The model that is asked about, where the run has several.

    Returns
    -------
    polars.DataFrame
        One row per question, in order: model, view, file, predicted class and its name, confidence, and an empty `answer`.

    Raises
    ------
    InputError
        If the run has no finished blind spots, the model or policy is not there, or nothing is left to ask.
    """
    plan, name = asked_about(run, budget, model)
    return to_ask(plan, name, policy, budget)


def asked_about(run: str | Path, budget: int, model: str | None) -> tuple[Plan, str]:
    """Return the plan of a run and its model that is asked about; see `ask` for the arguments and what is refused."""
    if budget < 1:
        raise InputError(f"--budget {budget}: at least 1 question")
    plan = _plan(RunFolder.existing(run))
    names = [planned.name for planned in plan.models]
    if model is None and len(names) > 1:
        raise InputError(f"the run has the models {', '.join(names)}; name one with --model")
    if model is not None and model not in names:
        raise InputError(f"--model {model}: {run} has {', '.join(names)}.{did_you_mean(model, names)}")
    return plan, model or names[0]


def answer(run: str | Path, file: str | Path) -> Kept:
    """Keep the answers of a CSV that `ask` returned and a person filled in.

    Raises
    ------
    InputError
        If a row is wrong or contradicts another answer: then none is kept, and all such rows are named.
    """
    folder = RunFolder.existing(run)
    with RunLock(folder.path, "answer"):
        return keep_answers(_plan(folder), Path(file))


def said(kept: Kept) -> str:
    """Return what became of a CSV, in a sentence."""
    known = f", {kept.known} known already" if kept.known else ""
    blank = f", {kept.blank} left blank" if kept.blank else ""
    unsure = f", {kept.unsure} unsure" if kept.unsure else ""
    return f"{kept.new} answers kept, {kept.wrong} of them wrong{unsure}{known}{blank}"


def _plan(folder: RunFolder) -> Plan:
    """Return the plan of a run whose views are partitioned."""
    plan = folder.plan()
    stages = Stages(plan)
    kinds = [kind for kind in stages.kinds if kind.name == "blind-spots"]
    if not kinds:
        raise InputError(f"{folder.path} has no blind spots; add blind-spots to the --methods of its audit")
    if left := folder.missing(kinds[0].plan(kinds[0], plan, stages.prints)):
        raise InputError(f"the blind spots of {folder.path} are not finished ({left} left); resume its audit first")
    return plan


__all__ = ["answer", "ask", "asked_about", "said"]
