"""Arguments that several verbs share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from filterscope.jobs.cli.verbs import ADVANCED, INPUT, WHAT


def place(text: str) -> Any:
    """Return a folder, of this machine or of an object store."""
    from filterscope.pipeline.stores.places import path_of

    return path_of(text)


Run = Annotated[Path, typer.Argument(help="A run folder.", parser=place, metavar="RUN")]
Zoo = Annotated[Path, typer.Argument(help="A TOML file, as for audit.")]
Models = typer.Option(
    help="SCHEME:ARCH or SCHEME:ARCH@WEIGHTS, such as torchvision:resnet18@weights.pth; may be repeated.",
    metavar="MODEL", rich_help_panel=INPUT,
)  # fmt: skip
Layers = typer.Option(
    help="Names, globs or -1, the last convolutional output (-1).", metavar="TEXT,...", rich_help_panel=WHAT
)
Data = typer.Option(help="An imported data set.", parser=place, metavar="PATH", rich_help_panel=INPUT)
Out = typer.Option(
    help="The run folder; an existing run is resumed or extended.", parser=place, metavar="PATH", rich_help_panel=WHAT
)
Redo = Annotated[
    str | None,
    typer.Option(
        help="Recompute these stages and everything that depends on them.", metavar="TEXT,...", rich_help_panel=ADVANCED
    ),
]
ModelArg = Annotated[
    list[str] | None,
    typer.Option(
        help="Argument of the architectures' constructors; may be repeated.",
        metavar="NAME=VALUE",
        rich_help_panel=INPUT,
    ),
]
StateKey = Annotated[
    str | None,
    typer.Option(
        help="Key of the state dict inside the checkpoint, such as model_ema; dots lead deeper.", rich_help_panel=INPUT
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option(
        help="Prefix of the network's keys in the checkpoint, such as module.encoder_q.", rich_help_panel=INPUT
    ),
]
Format = Annotated[
    str, typer.Option(help="A table that fits the terminal, or all of it.", metavar="table|markdown|csv|json")
]
Json = Annotated[bool, typer.Option("--json", hidden=True)]  # as --format json was written in version 0.1
Safe = Annotated[
    bool, typer.Option("--safe", help="CSV for spreadsheets: ' before what they would take for a formula.")
]

__all__ = [
    "Data",
    "Format",
    "Json",
    "Layers",
    "ModelArg",
    "Models",
    "Out",
    "Prefix",
    "Redo",
    "Run",
    "Safe",
    "StateKey",
    "Zoo",
    "place",
]
