"""The verb `debug`, whose options are those of the loop."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from filterscope.jobs.cli.arguments import Run
from filterscope.jobs.cli.flags import OptionsCommand, takes_options
from filterscope.jobs.cli.verbs import ADVANCED, SPEED, WHAT
from filterscope.jobs.terminal import say, show

app = typer.Typer()


def _flags() -> Any:
    from filterscope.jobs.config.flags import option_flags
    from filterscope.pipeline.debugging.options import DebugOptions

    return option_flags(DebugOptions, "debug")


class _Command(OptionsCommand):
    """The verb, whose flags are made when it is asked for."""

    method = "debug"

    def _flags(self) -> Any:
        return _flags()


@app.command(cls=_Command)
@takes_options
def debug(
    run: Run,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            help="What to do: collect:N images, relabel:N, paste:N, drop:N units, reweight, last:N; may be repeated.",
            metavar="TEXT,...",
            rich_help_panel=WHAT,
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model, where the run has several.", rich_help_panel=WHAT)] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="The CSV that relabel asked with, filled in.", metavar="PATH", rich_help_panel=WHAT),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where it trains.", metavar="auto|cpu|cuda", rich_help_panel=SPEED)
    ] = "auto",
    threads: Annotated[
        int, typer.Option(help="Threads of each trial; results depend on it.", min=1, max=256, rich_help_panel=SPEED)
    ] = 1,
    actors: Annotated[
        int | None,
        typer.Option(
            help="Trials at once, a process each, 0: in this one; unset: from the machine.",
            min=0,
            max=10_000,
            rich_help_panel=SPEED,
        ),
    ] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Run finished trials again.", rich_help_panel=ADVANCED)] = False,
    **options: Any,
) -> None:
    """Mend a network that was trained here, by what its audit found, and measure that beside a control.

    Find what is wrong, explain it, fix it, measure; running it again finishes or extends what is there.

    Example: filterscope debug runs/faces --fix collect:50 --fix collect:200
    """
    from filterscope.jobs.config.debug import asked_of
    from filterscope.jobs.findings.debug import print_debug
    from filterscope.jobs.runs.debug import debug as carry_out

    given = {flag.key: flag.value(options[flag.key]) for flag in _flags() if options.get(flag.key) is not None}
    asked = asked_of(run, fix or (), given, model=model, device=device, threads=threads)
    if not carry_out(asked, labels=labels, actors=actors, redo=redo, command=" ".join(sys.argv[1:])):
        say("nothing to do: all trials are finished")
    show(print_debug(run, asked.model))


__all__ = ["app"]
