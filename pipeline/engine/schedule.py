"""The order of a run: the activations of all models one after the other, the findings of each as soon as it has them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Protocol

from filterscope.pipeline.engine.runner import Runner
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.run.plan import Plan


class Watcher(Protocol):
    """What is told of the progress of a run."""

    def begin(self, name: str) -> None:
        """Hear that a stage begins."""

    def advance(self, outputs: Sequence[Output]) -> None:
        """Hear that a piece of work is done; may raise to stop the run."""


class Schedule:
    """Runs stages so that the analyses of one model run while the next model is extracted.

    Parameters
    ----------
    runner : Runner
        Carries out stages.
    watcher : Watcher
        Is told what begins and what is done.
    """

    def __init__(self, runner: Runner, watcher: Watcher) -> None:
        self._runner, self._watcher = runner, watcher

    def run(
        self,
        plan: Plan,
        *,
        before: Sequence[Stage],
        extract: Stage,
        analyses: Callable[[Plan], Sequence[Stage]],
        finished: Callable[[Plan], None],
    ) -> None:
        """Run everything that is missing.

        Parameters
        ----------
        plan : Plan
            The models.
        before : sequence of Stage
            Need no activations: run beside the extraction, before all analyses.
        extract : Stage
            Its units' places begin with the model's name.
        analyses : callable
            Stages of a plan that read activations, in order; called with a plan of one model each.
        finished : callable
            Called with a plan of one model when its analyses are done.
        """
        left = self._runner.missing_by_model(extract)
        ready = [model.name for model in plan.models if not left.get(model.name)]
        stopped = Event()
        with _Background(stopped) as background:
            # they need no activations and the extraction needs nothing of them
            background.submit(self._carry_out_all, before, stopped)

            def analyse(name: str) -> None:
                background.submit(self._analyse, plan.only({name}), analyses, finished, stopped)

            for name in ready:
                analyse(name)

            def advance(outputs: Sequence[Output]) -> None:
                self._watcher.advance(outputs)
                background.check()
                for output in outputs:
                    name = output.unit.place[0]
                    left[name] -= 1
                    if not left[name]:
                        analyse(name)

            self._watcher.begin(extract.name)
            self._runner.run(extract, advance)

    def _carry_out(self, stage: Stage, stopped: Event) -> None:
        def advance(outputs: Sequence[Output]) -> None:
            if stopped.is_set():
                raise _StoppedError
            self._watcher.advance(outputs)

        if self._runner.missing(stage):
            self._watcher.begin(stage.name)
            self._runner.run(stage, advance)

    def _carry_out_all(self, stages: Sequence[Stage], stopped: Event) -> None:
        for stage in stages:
            self._carry_out(stage, stopped)

    def _analyse(
        self,
        plan: Plan,
        analyses: Callable[[Plan], Sequence[Stage]],
        finished: Callable[[Plan], None],
        stopped: Event,
    ) -> None:
        self._carry_out_all(analyses(plan), stopped)
        finished(plan)


class _StoppedError(Exception):
    """The main thread failed or was interrupted; nobody reads this."""


class _Background:
    """Calls functions one after the other, beside the main thread; a failure of either stops the other.

    Python waits for the thread when it ends, so what runs there looks at `stopped` whenever a piece of work is done.
    """

    def __init__(self, stopped: Event) -> None:
        self._stopped = stopped
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._futures: list[Future[None]] = []

    def __enter__(self) -> "_Background":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is not None:
            self._stopped.set()
        self._thread.shutdown(wait=failure is None, cancel_futures=failure is not None)
        if failure is None:
            self.check()

    def submit(self, call: Callable[..., None], *args: object) -> None:
        """Call a function when those submitted before it are done."""
        self._futures.append(self._thread.submit(call, *args))

    def check(self) -> None:
        """Raise what a finished call raised."""
        for future in self._futures:
            if future.done():
                future.result()
