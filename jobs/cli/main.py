"""The command line. Every verb imports what it needs when it runs, so that `--help` answers at once."""

from typing import Annotated, Any

import typer

from filterscope.jobs.cli import asking, auditing, debugging, importing, reading, training
from filterscope.jobs.cli.endings import ending
from filterscope.jobs.cli.verbs import Verbs
from filterscope.jobs.terminal import show

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for verbs in (importing.app, training.app, auditing.app, reading.app, asking.app, debugging.app):
    app.add_typer(verbs)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        show(f"filterscope {version('filterscope')}")
        raise typer.Exit


@app.callback()
def filterscope(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Audit what the filters of convolutional networks represent."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; exit codes are those of `jobs.cli.endings.ending`."""
    with ending():
        app(args=arguments, standalone_mode=True)


__all__ = ["app", "main"]
