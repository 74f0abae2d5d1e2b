"""What a person sees while a run is at work: stage, units done of all, images a second, time left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self


def say(text: str) -> None:
    """Print a line for the person at the terminal."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Progress:
    """A live display on a terminal; one line a stage elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        self._live = console.is_terminal
        self._bar = Bar(
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>14}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not self._live,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """Show a passing remark on a terminal."""
        if self._live:
            self._bar.console.print(f"[dim]{text}[/dim]")

    @contextmanager
    def stage(self, name: str, units: int, missing: int) -> Iterator[Callable[[list[Any]], None]]:
        """Show one stage; yields the function that takes the outputs of finished work."""
        began, images, done = time.monotonic(), 0, 0
        bar = self._bar.add_task(name, total=units, completed=units - missing, rate="")

        def advance(outputs: list[Any]) -> None:
            nonlocal images, done
            done += len(outputs)
            images += max((output.images for output in outputs), default=0)
            rate = f"{images / (time.monotonic() - began):.0f} images/s" if images else ""
            self._bar.update(bar, advance=len(outputs), rate=rate)

        yield advance
        if not self._live and missing:
            seconds = time.monotonic() - began
            rate = f", {images / seconds:.0f} images/s" if images else ""
            say(f"{name:<9} {done} of {units} units in {seconds:.1f} s{rate}")
