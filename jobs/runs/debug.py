"""The verb `debug`: find what is wrong with a network, mend it in several ways, and measure each beside its control."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filterscope.jobs.runs.progress import Progress
from filterscope.jobs.terminal import say
from filterscope.pipeline.debugging.labels import keep_labels
from filterscope.pipeline.debugging.material import material_of
from filterscope.pipeline.debugging.plan import Asked, rehearse, stages_of
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.engine.stage import Stage
from filterscope.pipeline.run.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filterscope.pipeline.engine.stage import Output


def debug(
    asked: Asked, *, labels: Path | None = None, actors: int | None = None, redo: bool = False, command: str = ""
) -> bool:
    """Carry out the loop, or what is missing of it.

    Parameters
    ----------
    asked : Asked
        What is asked.
    labels : Path, optional
        A CSV of labels that a person filled in, which the run keeps.
    actors : int, optional
        Trials at once, 0: one after the other in this process; unset: from the machine.
    redo, command : bool, str
        Whether to run finished trials again; the command line, for the table `runs`.

    Returns
    -------
    bool
        False if there was nothing to do.

    Raises
    ------
    InputError
        If something asked for cannot be done.
    RunError
        If a trial stopped; what was finished of all is saved.
    """
    folder, began = RunFolder.existing(asked.run), datetime.now(UTC)
    with RunLock(folder.path, command or "debug", say) as lock:
        if labels is not None:
            plan = folder.plan()
            material = material_of(plan, plan.model(asked.model), asked.options.measured)
            say(f"{keep_labels(folder.path, asked.model, material, labels):,} new labels kept")
        stages = stages_of(asked)
        trials, sums = stages
        if redo:
            rehearse(asked, trials.keys)  # what is refused loses nothing
            folder.ledger.forget(trials.keys)
        if found := folder.ledger.changed(trials.keys):
            key, record = found
            raise InputError(
                f"{key.text} was computed with other parameters: {folder.ledger.difference(key, record)}. Set them back, or "
                "run the trials again with --redo."
            )
        folder.ledger.forget(list(folder.ledger.missing(sums.keys)))  # of other trials, such as fewer seeds
        if not folder.missing(stages):
            return False
        rehearse(asked, folder.ledger.missing(trials.keys))
        with folder.logged(began, command, {"debug": asked.options.model_dump(mode="json")}):
            _carry_on(folder, stages, lock, actors)
    return True


def _carry_on(folder: RunFolder, stages: list[Stage], lock: RunLock, actors: int | None) -> None:
    from filterscope.pipeline.engine.journal import Journal
    from filterscope.pipeline.engine.quiet import native_messages_to
    from filterscope.pipeline.engine.runner import LocalRunner, Runner, start_ray

    count = _processes(folder, stages[0], actors)
    runner: Runner = Runner(folder.ledger) if count else LocalRunner(folder.ledger)
    if count:
        start_ray(tell=say)
    left = [(stage.name, len(stage.keys), folder.missing([stage])) for stage in stages]
    with Journal(folder.path) as journal, native_messages_to(folder.path / "ray.log"), Progress(left) as progress:

        def advance(outputs: "Sequence[Output]") -> None:
            if lock.lost:
                raise RunError("another process took this run over, since this one was silent for half a minute")
            for watcher in (progress, journal):
                watcher.advance(outputs)

        for stage in stages:
            for watcher in (progress, journal):
                watcher.begin(stage.name)
            if runner.count_missing(stage):
                runner.run(stage, advance)


def _processes(folder: RunFolder, stage: Stage, asked: int | None) -> int:
    """Return how many trials run at once; 0: one after the other in this process."""
    from filterscope.pipeline.engine.runner import cluster_named, cores

    left = folder.missing([stage])
    if asked is not None:
        return min(asked, left)
    found = min(left, int(cores() // stage.steps[0].cpus))
    return found if found > 2 or cluster_named() else 0


__all__ = ["debug"]
