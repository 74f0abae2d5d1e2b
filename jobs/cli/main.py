"""The command line. Every verb imports what it needs when it runs, so that `--help` answers at once."""

import sys
from typing import Annotated, Any

import typer

from filterscope.jobs.cli import auditing, importing, reading
from filterscope.pipeline.engine.errors import InputError, RunError, is_full

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
for verbs in (importing.app, auditing.app, reading.app):
    app.add_typer(verbs)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"filterscope {version('filterscope')}")
        raise typer.Exit


@app.callback()
def filterscope(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Audit what the filters of convolutional networks represent."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; exit code 0 done, 1 failed with work saved, 2 bad usage or input, 130 interrupted."""
    try:
        app(args=arguments, standalone_mode=True)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
    except RunError as error:
        sys.stderr.write(f"error: {error}\nFinished work is saved; the same command resumes it.\n")
        raise SystemExit(1) from None
    except OSError as error:
        from filterscope.pipeline.stores.places import StoreError

        if isinstance(error, StoreError):
            advice = "Look at AWS_ENDPOINT_URL, AWS_REGION and the credentials in the environment"
        elif is_full(error):
            advice = "Make space"
        else:
            advice = "If it is a file of a run, `filterscope doctor RUN` says what it means"
        sys.stderr.write(f"error: {error}\n{advice}; finished work is saved, the same command resumes it.\n")
        raise SystemExit(1) from None
    except SystemExit as end:  # typer makes one of a KeyboardInterrupt
        if end.code == 130:
            sys.stderr.write("interrupted; finished work is saved, the same command resumes it\n")
        raise
    except BaseException as error:
        # of who reads Parquet and Arrow files, which are imported where they are needed; a panic of Polars is no Exception
        if type(error).__module__.partition(".")[0] not in ("polars", "pyarrow", "pyo3_runtime"):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0][:300]
        sys.stderr.write(f"error: a table cannot be read ({reason}); `filterscope doctor RUN` says which\n")
        raise SystemExit(2) from None


__all__ = ["app", "main"]
