"""The verb `doctor`: finds damaged, missing and left-over files of a run, and repairs by computing again what they held."""

from pathlib import Path

from filterscope.jobs.runs import train
from filterscope.jobs.runs.audit import carry_on
from filterscope.jobs.terminal import say
from filterscope.pipeline.datasets.layout import MANIFEST
from filterscope.pipeline.debugging import trial
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.inspection import Problem, inspect, inspect_data, inspect_work
from filterscope.pipeline.stores.places import path_of, remove
from filterscope.pipeline.stores.zarr_arrays import checking
from filterscope.pipeline.training.folder import TrainingFolder
from filterscope.pipeline.training.segment import WRITES


def examine(run: str | Path) -> list[Problem]:
    """Return what is wrong with the files of a run, and with those of its data set where that is at hand.

    Raises
    ------
    InputError
        If there is no run.
    """
    if training := TrainingFolder.at(run):
        writes = {chain.whole().name: WRITES for chain in training.chains()}
        return list(inspect_work(training.run, [chain.whole() for chain in training.chains()], writes))
    folder = RunFolder.existing(run)
    plan = folder.plan()
    stages = Stages(plan)
    with checking() as wrong:
        stages.prepare()
    means = "how its numbers are laid out follows from the plan; it is written again"
    found = [Problem(path, "the description of the array is missing or damaged", means) for path in wrong]
    writes = {kind.name: kind.writes for kind in stages.kinds} | trial.WRITES
    found += inspect(folder, [*stages.all(), *trial.finished(folder.path)], writes)
    if not (plan.data / MANIFEST).is_file():
        say(f"the data set is not at {plan.data}; its images were not looked at")
        return found
    return found + list(inspect_data(plan))


def repair(run: str | Path, problems: list[Problem]) -> None:
    """Remove leftovers, forget damaged work and carry out this, and only this, again; files of the data set stay.

    Raises
    ------
    InputError
        If another process is at work on the run.
    RunError
        If computing stopped.
    """
    training = TrainingFolder.at(run)
    folder = training.run if training else RunFolder.existing(run)
    with RunLock(folder.path, "doctor --repair", say) as lock:
        for problem in (problem for problem in problems if problem.ours):
            remove(problem.path)
        folder.ledger.forget(problem.key for problem in problems if problem.key is not None)
        if lost := sum(problem.key is not None and problem.key.stage in trial.WRITES for problem in problems):
            say(
                f"{lost} finished pieces of work of `filterscope debug` are lost; give its command again, which repeats these"
            )
        if training:
            train.carry_on(training, training.chains(), lock)
        else:
            carry_on(folder, folder.plan(), lock)


def described(problem: Problem, run: Path) -> str:
    """Return a problem in two lines."""
    if not problem.ours:
        return f"{problem.path}: {problem.what}\n    {problem.means}"
    what = problem.key.text if problem.key else "no piece of work"
    return f"{problem.path.relative_to(path_of(run))}: {problem.what} ({what})\n    {problem.means}"
