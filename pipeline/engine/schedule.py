"""The order of a run: activations model by model, and the analyses of each model as soon as its activations are there."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from threading import Event
from typing import Protocol

from filterscope.pipeline.engine.runner import Runner
from filterscope.pipeline.engine.stage import Output, Stage


class Watcher(Protocol):
    """What is called as a run progresses."""

    def begin(self, name: str) -> None:
        """Note that a stage begins."""

    def advance(self, outputs: Sequence[Output]) -> None:
        """Note that a piece of work is done; may raise to stop the run."""


class Schedule:
    """Runs stages so that the analyses of one model run while the next model is extracted.

    Parameters
    ----------
    runner : Runner
        Runs stages.
    watcher : Watcher
        Called when something begins and when it is done.
    """

    def __init__(self, runner: Runner, watcher: Watcher) -> None:
        self._runner, self._watcher = runner, watcher

    def run(
        self,
        *,
        before: Sequence[Stage],
        forward: Sequence[Stage],
        analyses: Callable[..., Sequence[Stage]],
        finished: Callable[[str], None],
        together: Callable[[str], Hashable] = lambda model: model,
        jointly: bool = False,
    ) -> None:
        """Run everything that is missing.

        Parameters
        ----------
        before : sequence of Stage
            Stages that need no activations: they run beside the forward passes, before all analyses.
        forward : sequence of Stage
            The forward passes, a stage for each model, whose name begins the places of its keys.
        analyses : callable
            Returns the stages of the models named that read what their forward passes wrote, in order.
        finished : callable
            Called with the name of a model when its analyses are done.
        together : callable
            Says, as of `Stage.joined`, of which models the forward passes go block by block.
        jointly : bool
            Whether the analyses of these models wait for all of them, and run together.
        """
        left = Counter({_model(stage): self._runner.count_missing(stage) for stage in forward})
        panels = _panels(list(left), together if jointly else lambda model: model)
        stopped = Event()
        with _Background(stopped) as background:
            # they need no activations, and the extraction needs nothing from them
            background.submit(self._carry_out_all, before, stopped)

            def analyse(panel: tuple[str, ...]) -> None:
                if not any(left[model] for model in panel):
                    background.submit(self._analyse, panel, analyses, finished, stopped)

            for panel in dict.fromkeys(panels.values()):
                analyse(panel)

            def advance(outputs: Sequence[Output]) -> None:
                self._watcher.advance(outputs)
                background.check()
                for output in outputs:
                    model = output.key.place[0]
                    left[model] -= 1
                    if not left[model]:
                        analyse(panels[model])

            stages = [stage for stage in forward if left[_model(stage)]]
            if stages:
                self._watcher.begin(stages[0].name)
                self._runner.run(Stage.joined(stages, together), advance)

    def _carry_out(self, stage: Stage, stopped: Event) -> None:
        def advance(outputs: Sequence[Output]) -> None:
            if stopped.is_set():
                raise _StoppedError
            self._watcher.advance(outputs)

        if self._runner.count_missing(stage):
            self._watcher.begin(stage.name)
            self._runner.run(stage, advance)

    def _carry_out_all(self, stages: Sequence[Stage], stopped: Event) -> None:
        for stage in stages:
            self._carry_out(stage, stopped)

    def _analyse(
        self,
        models: tuple[str, ...],
        analyses: Callable[..., Sequence[Stage]],
        finished: Callable[[str], None],
        stopped: Event,
    ) -> None:
        self._carry_out_all(analyses(*models), stopped)
        for model in models:
            finished(model)


def _panels(models: Sequence[str], together: Callable[[str], Hashable]) -> dict[str, tuple[str, ...]]:
    """Return for each model all that it goes together with, itself among them."""
    panels = (tuple(members) for _, members in groupby(models, key=together))
    return {model: panel for panel in panels for model in panel}


def _model(stage: Stage) -> str:
    return stage.keys[0].place[0]


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


__all__ = ["Schedule", "Watcher"]
