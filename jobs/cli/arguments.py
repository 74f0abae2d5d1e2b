"""Arguments that several verbs share."""

from pathlib import Path
from typing import Annotated, Any

import typer


def place(text: str) -> Any:
    """Return a folder, of this machine or of an object store."""
    from filterscope.pipeline.stores.places import path_of

    return path_of(text)


Run = Annotated[Path, typer.Argument(help="A run folder.", parser=place, metavar="RUN")]
Zoo = Annotated[Path, typer.Argument(help="A TOML file, as for audit.")]
Models = typer.Option(help="SCHEME:ARCH or SCHEME:ARCH@WEIGHTS; may be repeated.", metavar="SOURCE")
Layers = typer.Option(help="Names, globs or -1 (the last convolutional output), separated by commas.")
Data = typer.Option(help="An imported data set.", parser=place, metavar="PATH")
Out = typer.Option(help="The run folder; an existing run is resumed or extended.", parser=place, metavar="PATH")
Redo = Annotated[str | None, typer.Option(help="Recompute these stages (a,b) and everything that depends on them.")]
StateKey = Annotated[
    str | None, typer.Option(help="Key of the state dict inside the checkpoint, such as model_ema; dots lead deeper.")
]
Prefix = Annotated[
    str | None, typer.Option(help="Prefix of the network's keys in the checkpoint, such as module.encoder_q.")
]
Format = Annotated[str, typer.Option(help="table, csv or json.")]
Safe = Annotated[
    bool, typer.Option("--safe", help="CSV for spreadsheets: ' before what they would take for a formula.")
]

__all__ = ["Data", "Format", "Layers", "Models", "Out", "Prefix", "Redo", "Run", "Safe", "StateKey", "Zoo", "place"]
