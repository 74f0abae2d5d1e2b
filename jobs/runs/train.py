"""The verb `train`: plan the trainings, carry out what is missing of each, several side by side."""

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING

from filterscope.jobs.runs.progress import Progress
from filterscope.jobs.terminal import say
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.stores.places import ObjectPath
from filterscope.pipeline.training.folder import TrainingFolder
from filterscope.pipeline.training.plan import Asked, Chain, chain_of, recorded, settings_of
from filterscope.pipeline.training.twins import write_twins

if TYPE_CHECKING:
    from filterscope.pipeline.engine.schedule import Watcher
    from filterscope.pipeline.engine.stage import Output

#: Trainings that share a GPU, at most.
_ON_ONE_GPU = 4
#: Fewer images in all pieces of work together are learned from before processes have started.
_WORTH_PROCESSES = 5000


def train(asked: Asked, out: Path, *, actors: int | None = None, redo: bool = False, command: str = "") -> bool:
    """Carry out trainings, or what is missing of them.

    Parameters
    ----------
    asked : Asked
        What is asked.
    out : Path
        The run folder; it may hold trainings of other recipes.
    actors : int, optional
        Processes that train at once, 0: all in this one, one after the other; unset: from the machine.
    redo : bool
        Whether to train anew what is finished.
    command : str
        The command line, for the table `runs`.

    Returns
    -------
    bool
        False if there was nothing to do.

    Raises
    ------
    InputError
        If something asked for cannot be done.
    RunError
        If a training stopped; what was finished of all is saved.
    """
    began, folder = datetime.now(UTC), TrainingFolder(out)
    folder.refuse_foreign()
    if asked.workers > 1 and isinstance(folder.path, ObjectPath):
        raise InputError(
            f"{out}: --workers {asked.workers} needs a run folder that all workers see on a file system, "
            "where Ray Train keeps files of its own"
        )
    asked = _settled(asked, folder)
    chains = [chain_of(out, setting) for setting in settings_of(asked, say)]
    with RunLock(folder.path, command, say) as lock:
        if redo:
            for chain in chains:
                folder.ledger.forget(chain.keys)
        _refuse_changes(folder, chains)
        folder.record(asked)
        if not folder.missing(chains):
            return False
        with folder.run.logged(began, command, recorded(asked)):
            carry_on(folder, chains, lock, actors)
            write_twins(folder.path)
    return True


def _settled(asked: Asked, folder: TrainingFolder) -> Asked:
    """Let a training go on where it began: what is left to filterscope is as it was settled then."""
    before = next((one for one in folder.asked() if one.recipe == asked.recipe), None)
    if asked.device != "auto":
        return asked
    from filterscope.pipeline.training.plan import device_of

    return replace(asked, device=before.device if before else device_of("auto"))


def _refuse_changes(folder: TrainingFolder, chains: Sequence[Chain]) -> None:
    """Stop if work was finished under other parameters."""
    for chain in chains:
        if found := folder.ledger.changed(chain.keys):
            key, record = found
            raise InputError(
                f"{key.text} was computed with other parameters: {folder.ledger.difference(key, record)}. "
                "Set them back, train again with --redo, or choose another --out."
            )


def carry_on(folder: TrainingFolder, chains: Sequence[Chain], lock: RunLock, actors: int | None = None) -> None:
    """Carry out what is missing of trainings.

    Raises
    ------
    RunError
        If one stopped; what was finished of all is saved.
    """
    from filterscope.pipeline.engine.journal import Journal
    from filterscope.pipeline.engine.quiet import native_messages_to

    for chain in chains:
        if lost := chain.settle(folder.path, folder.ledger):
            say(f"{chain.name}: its last state is gone, so that {lost} finished pieces of work are repeated")
    left = [(chain.name, len(chain.segments), folder.ledger.count_missing(chain.keys)) for chain in chains]
    with (
        Journal(folder.path) as journal,
        native_messages_to(folder.path / "ray.log"),
        Progress(left, lambda key: key.place[0]) as progress,
    ):
        _Side(folder, [progress, journal], lock).by_side(chains, actors)


@dataclass
class _Side:
    """Runs trainings side by side, each from one piece of work to the next."""

    folder: TrainingFolder
    watchers: "list[Watcher]"
    lock: RunLock
    stopped: Event = field(default_factory=Event)
    told: Lock = field(default_factory=Lock)

    def by_side(self, chains: Sequence[Chain], actors: int | None) -> None:
        """Run what is missing; the first error stops the others when their piece of work is done."""
        left = [chain for chain in chains if self.folder.ledger.count_missing(chain.keys)]
        count = _processes(left, actors)
        if count or any(chain.setting.workers > 1 for chain in left):
            from filterscope.pipeline.engine.runner import start_ray

            start_ray(tell=say)
        gpus = _share(left, count)
        pool = ThreadPoolExecutor(max_workers=max(count, 1))
        try:
            if not count:
                for chain in left:
                    self._train(chain, gpus, here=True)
                return
            self._raised(pool.submit(self._train, chain, gpus, here=False) for chain in left)
        finally:
            self.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _raised(self, submitted: "object") -> None:
        futures: list[Future[None]] = list(submitted)  # type: ignore[call-overload]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()

    def _train(self, chain: Chain, gpus: float, *, here: bool) -> None:
        from filterscope.pipeline.engine.runner import LocalRunner, Runner

        # a runner of its own: one runner lets stages on GPUs wait for each other, since actors would
        # workers that train together are started from here
        here = here or chain.setting.workers > 1
        runner: Runner = LocalRunner(self.folder.ledger) if here else Runner(self.folder.ledger)
        with self.told:
            for watcher in self.watchers:
                watcher.begin(chain.name)
        for segment in chain.segments:
            if self.stopped.is_set():
                return
            stage = chain.stage(segment, 0.0 if here else gpus)
            if runner.count_missing(stage):
                runner.run(stage, self._advance)

    def _advance(self, outputs: "Sequence[Output]") -> None:
        if self.lock.lost:
            raise RunError("another process took this run over, since this one was silent for half a minute")
        with self.told:
            for watcher in self.watchers:
                watcher.advance(outputs)


def _processes(chains: Sequence[Chain], asked: int | None) -> int:
    """Return how many processes train; 0: one training after the other in this process."""
    from filterscope.pipeline.engine.runner import cluster_named, cores

    if asked is not None or not chains:
        return min(asked or 0, len(chains))
    setting = chains[0].setting
    if setting.workers > 1:
        return 0
    shown = Dataset(setting.data).rows("images") * sum(len(chain.segments) for chain in chains)
    if shown < _WORTH_PROCESSES and not cluster_named():
        return 0
    if setting.device == "cuda":
        import torch

        found = min(len(chains), _ON_ONE_GPU * max(torch.cuda.device_count(), 1))
    else:
        found = min(len(chains), len(chains) if cluster_named() else cores() // setting.threads)
    return found if found > 1 or cluster_named() else 0


def _share(chains: Sequence[Chain], count: int) -> float:
    """Return the share of a GPU that each training takes, 0 on the processor."""
    if not chains or chains[0].setting.device != "cuda" or not count:
        return 0.0
    import torch

    return min(1.0, max(torch.cuda.device_count() / count, 1 / _ON_ONE_GPU))


__all__ = ["carry_on", "train"]
