"""What a person sees while a run is at work: stage, tasks done of all, images per second, time left."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from filterscope.jobs.terminal import say

if TYPE_CHECKING:
    from filterscope.pipeline.engine.keys import Key
    from filterscope.pipeline.engine.stage import Output

#: Characters of a line beside the bar: stage, tasks, images per second, and the two times with their names.
_BESIDE = 66


@dataclass
class _Stage:
    name: str
    tasks: int
    left: int
    bar: Any
    began: float | None = None
    images: int = 0

    @property
    def rate(self) -> str:
        """Images per second since the first task was started, where the stage counts images."""
        seconds = time.monotonic() - (self.began or time.monotonic())
        return f"{self.images / seconds:.0f} images/s" if self.images and seconds else ""


class Progress:
    """One bar per stage on a terminal; one line per finished stage elsewhere.

    Parameters
    ----------
    stages : sequence of (str, int, int)
        Name, tasks in all and tasks left of each stage, in order.
    name_of : callable
        Returns which of them a key belongs to.
    """

    def __init__(
        self, stages: Sequence[tuple[str, int, int]], name_of: "Callable[[Key], str]" = lambda key: key.stage
    ) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        console = Console(file=sys.stderr)
        self._live = console.is_terminal
        self._bars = Bars(
            TextColumn("{task.description:<12}"),
            BarColumn(min(max(console.width - _BESIDE, 4), 40)),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>12}"),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._live,
        )
        self._stages: dict[str, _Stage] = {}
        self._name_of = name_of
        for name, tasks, left in stages:
            bar = self._bars.add_task(name, total=tasks, completed=tasks - left, rate="", start=False)
            self._stages[name] = _Stage(name, tasks, left, bar)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, name: str) -> None:
        """Start the clock of a stage, once."""
        stage = self._stages[name]
        if stage.began is None:
            stage.began = time.monotonic()
            self._bars.start_task(stage.bar)

    def advance(self, outputs: "Sequence[Output]") -> None:
        """Take note of a finished piece of work."""
        if not outputs:
            return
        stage = self._stages[self._name_of(outputs[0].key)]
        stage.left -= len(outputs)
        stage.images += max(output.images for output in outputs)
        self._bars.update(stage.bar, advance=len(outputs), rate=stage.rate)
        if stage.left <= 0 and not self._live:
            seconds = time.monotonic() - (stage.began or time.monotonic())
            rate = f", {stage.rate}" if stage.rate else ""
            say(f"{stage.name:<12} {stage.tasks} of {stage.tasks} tasks in {seconds:.1f} s{rate}")
