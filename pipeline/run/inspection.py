"""What is wrong with the files of a run: outputs that a marker promises and that are missing or damaged, and leftovers."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filterscope.pipeline.engine.stage import Stage, Unit
from filterscope.pipeline.methods.dissection.annotations import index_path
from filterscope.pipeline.methods.dissection.concepts import label_path
from filterscope.pipeline.methods.patterns.local_features import features_path
from filterscope.pipeline.methods.receptive_field.occlude import drops_path
from filterscope.pipeline.methods.significance.null import null_path
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.activations import ActivationStore, MaskStore, table_path
from filterscope.pipeline.stores.places import readable
from filterscope.schemas.results import TABLES

#: Tables that are no unit's output.
_UNMARKED = {"models", "layers", "views", "rejects", "runs", "part_localization"}


@dataclass(frozen=True)
class Problem:
    """Something wrong.

    Attributes
    ----------
    path : Path
        The file.
    what, means : str
        What was found, and what it means.
    unit : Unit, optional
        The unit of work to compute again; None for a file to remove.
    """

    path: Path
    what: str
    means: str
    unit: Unit | None = None


def inspect(run: RunFolder, stages: list[Stage]) -> Iterator[Problem]:
    """Yield what is wrong with a run; reads every file once.

    Parameters
    ----------
    run : RunFolder
        The run.
    stages : list of Stage
        All its stages.
    """
    for stage in stages:
        missing = set(run.ledger.missing(stage.units))
        for unit in stage.units:
            if unit in missing:
                continue
            marker = run.ledger.path(unit)
            try:
                record = json.loads(marker.read_bytes())
                checksums = dict(record["checksums"])
            except (ValueError, KeyError, TypeError):
                yield Problem(marker, "the marker is damaged", "the unit counts as done and may not be", unit)
                continue
            yield from _unit_problems(run.path, unit, checksums)
    yield from _leftovers(run)


#: Files that are no tables and whose digests stand in the marker.
_FILES: dict[str, Callable[[Path, Unit], Path]] = {
    "masks": lambda run, unit: MaskStore(run, unit.place[0]).path(unit.place[1]),
    "features": lambda run, unit: features_path(run, unit.place),
}


def _unit_problems(run: Path, unit: Unit, checksums: dict[str, str]) -> Iterator[Problem]:
    for path, what in [*_changed(run, unit, checksums), *_CHECKS.get(unit.stage, _nothing)(run, unit)]:
        yield Problem(path, what, "what was computed is lost; it is computed again from what it depends on", unit)


def _changed(run: Path, unit: Unit, checksums: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """Compare files with the digests in the marker."""
    for name, digest in checksums.items():
        if name not in TABLES and name not in _FILES:
            continue
        path = _FILES[name](run, unit) if name in _FILES else table_path(run, name, unit.place)
        if not path.is_file():
            yield path, "the file is missing, and its marker says it was written"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            yield path, "the file is not the one that was written"


def _nothing(run: Path, unit: Unit) -> Iterator[tuple[Path, str]]:
    yield from ()


def _activations(run: Path, unit: Unit) -> Iterator[tuple[Path, str]]:
    """Read a shard and compare the maxima of its maps with those stored beside it."""
    model, layer, block = unit.place
    store = ActivationStore(run, model, layer)
    start = int(block.rpartition("-")[2])
    shard = store.shard(start)
    if store.removed:
        return
    if not shard.is_file():
        yield shard, "the file is missing, and its marker says it was written"
        return
    try:
        maps, maxima = store.read_block(start)
        stored = np.where(np.isnan(maxima), np.float16(0), maxima)
        if not np.array_equal(maps.max(axis=(2, 3)), stored):
            yield shard, "the activations do not have the maxima that were stored beside them"
    except (OSError, ValueError, RuntimeError) as error:
        yield shard, f"the file cannot be read: {error}"


def _archive(place: Callable[[Path, Unit], Path]) -> Callable[[Path, Unit], Iterator[tuple[Path, str]]]:
    """Return a check of the npz file that a stage leaves; its members carry checksums of their own."""

    def check(run: Path, unit: Unit) -> Iterator[tuple[Path, str]]:
        path = place(run, unit)
        try:
            with zipfile.ZipFile(readable(path)) as file:
                if file.testzip() is not None:
                    yield path, "the file is not the one that was written"
        except FileNotFoundError:
            yield path, "the file is missing, and its marker says it was written"
        except (OSError, zipfile.BadZipFile):
            yield path, "the file is cut off"

    return check


_CHECKS: dict[str, Callable[[Path, Unit], Iterator[tuple[Path, str]]]] = {
    "extract": _activations,
    "annotations": _archive(lambda run, unit: index_path(run, unit.place[0])),
    "concepts": _archive(lambda run, unit: label_path(run, unit.place[0])),
    "null": _archive(lambda run, unit: null_path(run, unit.place)),
    "occlude": _archive(lambda run, unit: drops_path(run, unit.place)),
}


def _leftovers(run: RunFolder) -> Iterator[Problem]:
    """Yield parts of tables without a marker, and drafts of files that a worker did not finish."""
    promised = {
        table_path(run.path, name, record["unit"].split("/")[1:])
        for record in run.ledger.all_records()
        for name in record["checksums"]
        if name in TABLES
    }
    for path in sorted((run.path / "tables").rglob("*.parquet")):
        table = path.relative_to(run.path / "tables").parts[0]
        if table not in _UNMARKED and path not in promised and not path.name.startswith("."):
            yield Problem(
                path, "the file has no marker", "a worker was interrupted before it was done; it is written anew"
            )
    for path in sorted(run.path.rglob(".*")):
        if path.is_file() and path.name.rpartition(".")[2].isdigit():
            yield Problem(path, "the file is a draft", "a worker was interrupted while writing it; it is of no use")
