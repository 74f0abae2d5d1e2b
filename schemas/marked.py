"""What the markers of a run promise of its tables, checked before they are read.

The marker of a finished piece of work, ``ledger/STAGE/PLACE.FINGERPRINT.json``, holds the SHA-256 of each part of a table that
the work wrote. A part that is missing or is another one stops the reader. What no marker promises, such as the tables of the
plan, is read as it is; so is everything in an object store, which keeps checksums itself.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filterscope.schemas.opening import DamagedError, table_path
from filterscope.schemas.results import TABLES

#: An audit that runs puts a part in place, then its marker: how often and how long a reader waits for that (s).
_TRIES, _PAUSE = 4, 0.25

#: Of each part of a table: the work it is an output of, and the SHA-256 that its markers state.
_Parts = dict[str, tuple[str, set[str]]]

#: Parts that were promised when they were last looked for: of each run and place, those of each table.
_promised: dict[tuple[str, tuple[str, ...]], dict[str, _Parts]] = {}
#: Size, times and number of the files that were found whole.
_whole: dict[str, tuple[int, ...]] = {}


def check_parts(run: Path, table: str, place: Sequence[str], files: Sequence[str]) -> None:
    """Stop if a part of a table is missing or is not the one that was written.

    Parameters
    ----------
    run : Path
        The run folder, on this machine.
    table : str
        Name of the table.
    place : sequence of str
        Folders that the parts lie in, such as a model and a layer; none for all.
    files : sequence of str
        The parts that are there.

    Raises
    ------
    DamagedError
        With the part, the work that wrote it, and what to do.
    """
    about, wrong = (str(run), tuple(place)), ""
    for number in range(_TRIES):
        if number or not set(files) <= _promised.get(about, {}).get(table, {}).keys() or not files:
            _promised[about] = _read(run, place)
        if not (wrong := _wrong(_promised[about].get(table, {}), files)):
            return
        time.sleep(_PAUSE)
    raise DamagedError(f"{wrong}; `filterscope doctor {run} --repair` computes it again")


def _read(run: Path, place: Sequence[str]) -> dict[str, _Parts]:
    found: dict[str, _Parts] = {}
    for stage in sorted((run / "ledger").glob("[!.]*/")):
        for marker in stage.joinpath(*place).rglob("*.json"):
            try:
                stated = dict(json.loads(marker.read_bytes()).get("checksums", {}))
            except FileNotFoundError:  # it was forgotten since it was listed
                continue
            except (ValueError, TypeError, AttributeError, RecursionError):
                raise DamagedError(
                    f"the marker {marker} is damaged; `filterscope doctor {run} --repair` computes its outputs again"
                ) from None
            work = marker.relative_to(stage).with_name(marker.name.rsplit(".", 2)[0])
            for table in TABLES.keys() & stated.keys():
                part = str(table_path(run, table, work.parts))
                found.setdefault(table, {}).setdefault(part, (f"{stage.name}/{work}", set()))[1].add(str(stated[table]))
    return found


def _wrong(promised: _Parts, files: Sequence[str]) -> str:
    """Say which part is missing or another one, if one is."""
    for part in promised.keys() - set(files):
        return f"{part}, an output of {promised[part][0]}, is missing"
    with ThreadPoolExecutor() as threads:
        for part, whole in zip(files, threads.map(lambda part: _is_whole(part, promised), files), strict=True):
            if not whole:
                return (
                    f"{part}, an output of {promised[part][0]}, is not the file that was written (its checksum differs)"
                )
    return ""


def _is_whole(part: str, promised: _Parts) -> bool:
    if part not in promised:
        return True
    try:
        stat = Path(part).stat()
        now = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        if _whole.get(part) == now:
            return True
        with open(part, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() not in promised[part][1]:
                return False
    except FileNotFoundError:  # it is being computed again
        return False
    _whole[part] = now
    return True


__all__ = ["check_parts"]
