"""Verbs that make data sets: the embedded sample, and one import for each reader."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from filterscope.jobs.cli.verbs import Verb, Verbs
from filterscope.jobs.terminal import say, show
from filterscope.pipeline.datasets.readers import READERS, Reader, ReaderOption

app = typer.Typer()
importers = typer.Typer(cls=Verbs, no_args_is_help=True, help="Import an annotated data set into the one layout.")
app.add_typer(importers, name="import")

Folder = Annotated[Path, typer.Argument(help="Where the data set will be.")]
Source = Annotated[Path, typer.Argument(help="Folder of the source data.")]


@app.command(cls=Verb)
def sample(
    folder: Folder,
    images: Annotated[int, typer.Option(help="Images to draw.")] = 600,
    seed: Annotated[int, typer.Option(help="Seed; the same seed draws the same images.")] = 0,
    cooccurrence: Annotated[float, typer.Option(help="How often paired attributes go together.")] = 0.8,
    kind: Annotated[
        str, typer.Option(help="What is drawn: scenes, or strokes, shapes or parts whose factors are independent.")
    ] = "scenes",
) -> None:
    """Draw the embedded sample: objects, parts, textures, materials, colours and scenes, exactly annotated.

    Example: filterscope sample data/sample --images 600 --seed 0
    """
    from filterscope.pipeline.datasets.sample import draw_sample
    from filterscope.pipeline.datasets.sample.factor_sets import draw_factor_set

    if kind == "scenes":
        draw_sample(folder, images=images, seed=seed, cooccurrence=cooccurrence)
    else:
        draw_factor_set(folder, kind, images=images, seed=seed)
    _describe(folder)


@app.command(cls=Verb)
def pack(
    data: Annotated[Path, typer.Argument(help="The data set; in a folder or an object store.")],
    folder: Annotated[Path | None, typer.Argument(help="Where the new one will be; default: DATA-packed.")] = None,
    shard_megabytes: Annotated[int, typer.Option(help="Size of a shard.", min=1, max=4096)] = 256,
) -> None:
    """Write the images of a data set into shards, so that a few large requests read them: for object stores and clusters.

    Example: filterscope pack data/imagenet s3://bucket/imagenet
    """
    from filterscope.pipeline.datasets.packing import pack as packed
    from filterscope.pipeline.stores.places import path_of

    with _counted("images") as progress:
        dataset = packed(data, folder, 1_000_000 * shard_megabytes, progress)
    assert dataset.pack is not None
    count, shards = dataset.rows("images"), len(dataset.pack.shards)
    show(
        f"{dataset.folder}: {count} images in {shards} shard{'s' * (shards > 1)}; the same data set as {path_of(data)}"
    )


@contextmanager
def _counted(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of something are done, on a terminal."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def _verb(reader: Reader) -> Callable[..., None]:
    """Return the verb that imports with a reader."""

    def read(source: Source, folder: Folder, **given: Any) -> None:
        with _notes() as notes:
            reader.read(
                source, folder, **{option.name: _value(option, given[option.name]) for option in reader.options}
            )
        _describe(folder)
        for note in notes:
            say(f"note: {note}")

    stated = list(inspect.signature(read).parameters.values())[:2]
    vars(read)["__signature__"] = inspect.Signature([*stated, *(_parameter(option) for option in reader.options)])
    read.__doc__ = f"{reader.about}\n\nExample: {reader.example}"
    return read


@contextmanager
def _notes() -> Iterator[list[str]]:
    """Collect what a reader tells; warnings of others are shown as ever."""
    from filterscope.pipeline.datasets.reading import ImportNote

    notes: list[str] = []
    with warnings.catch_warnings():
        others = warnings.showwarning

        def keep(message: Warning | str, *more: Any, **named: Any) -> None:
            if isinstance(message, ImportNote):
                notes.append(str(message))
            else:
                others(message, *more, **named)

        warnings.simplefilter("always", ImportNote)
        warnings.showwarning = keep
        yield notes


def _parameter(option: ReaderOption) -> inspect.Parameter:
    kind: Any = {"switch": bool, "path": Path | None, "text": str | None}[option.kind]
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if option.kind == "switch" else option.default,
        annotation=Annotated[kind, typer.Option(option.flag_name, help=option.help)],
    )


def _value(option: ReaderOption, given: Any) -> Any:
    return option.default != given if option.kind == "switch" else given


for _reader in READERS:
    importers.command(_reader.name, cls=Verb)(_verb(_reader))


def _describe(folder: Path) -> None:
    from filterscope.pipeline.datasets.layout import Dataset

    dataset = Dataset.open(folder, need=None)
    named = {"objects": "objects", "landmarks": "landmarks", "ignored": "ignored regions", "rejects": ""}
    counts = {name: dataset.rows(name) for name in named}
    attributes = len(dataset.table("attributes", ["attribute"])["attribute"].unique())
    more = f", {attributes} attribute{'s' * (attributes > 1)}" if attributes else ""
    more += "".join(f", {counts[name]} {words}" for name, words in named.items() if counts[name] and words)
    more += f", {counts['rejects']} rejects (see rejects.parquet)" if counts["rejects"] else ""
    show(f"{folder}: {_images(dataset.images['group'].to_pylist())}, {dataset.concepts.num_rows} concepts{more}")


def _images(groups: list[str | None]) -> str:
    grouped, alone = len(set(groups) - {None}), groups.count(None)
    apart = f" ({alone} in none)" if alone else ""
    return f"{len(groups)} images" + (f" in {grouped} group{'s' * (grouped > 1)}{apart}" if grouped else "")


__all__ = ["app"]
