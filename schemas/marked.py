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
from dataclasses import dataclass, field
from pathlib import Path

from filterscope.schemas.opening import DamagedError, IrregularError, open_regular, table_path
from filterscope.schemas.results import TABLES

#: An audit that runs puts a part in place, then its marker: how often and how long a reader waits for that (s).
_TRIES, _PAUSE = 4, 0.25

#: Of each part of a table: the work it is an output of, and the SHA-256 that its markers state.
_Parts = dict[str, tuple[str, set[str]]]


@dataclass
class _Markers:
    """What the markers of a place state: the parts of each table, and the markers that cannot be read, by place."""

    parts: dict[str, _Parts] = field(default_factory=dict)
    damaged: dict[tuple[str, ...], Path] = field(default_factory=dict)

    def knows(self, table: str, files: Sequence[str]) -> bool:
        """Tell whether every one of these parts was promised, and there is one."""
        return bool(files) and set(files) <= self.parts.get(table, {}).keys()


#: What markers stated when they were last read, by run and place.
_read_before: dict[tuple[str, tuple[str, ...]], _Markers] = {}
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
        if number or not _read_before.get(about, _Markers()).knows(table, files):
            _read_before[about] = _read(run, place)
        if not (wrong := _wrong(_read_before[about], run, table, files)):
            return
        time.sleep(_PAUSE)
    raise DamagedError(f"{wrong}; `filterscope doctor {run} --repair` computes it again")


def _read(run: Path, place: Sequence[str]) -> _Markers:
    found = _Markers()
    for stage in sorted((run / "ledger").glob("[!.]*/")):
        for marker in stage.joinpath(*place).rglob("*.json"):
            work = marker.relative_to(stage).with_name(marker.name.rsplit(".", 2)[0])
            try:
                with open_regular(marker) as file:
                    stated = dict(json.load(file).get("checksums", {}))
            except FileNotFoundError:  # it was forgotten since it was listed
                continue
            except (IrregularError, ValueError, TypeError, AttributeError, RecursionError):
                found.damaged[work.parts] = marker
                continue
            for table in TABLES.keys() & stated.keys():
                part = str(table_path(run, table, work.parts))
                parts = found.parts.setdefault(table, {})
                parts.setdefault(part, (f"{stage.name}/{work}", set()))[1].add(str(stated[table]))
    return found


def _wrong(markers: _Markers, run: Path, table: str, files: Sequence[str]) -> str:
    """Say which part is missing or another one, or which marker of a part cannot be read, if one is."""
    promised = markers.parts.get(table, {})
    for part in promised.keys() - set(files):
        return f"{part}, an output of {promised[part][0]}, is missing"
    for place, marker in markers.damaged.items():
        if str(table_path(run, table, place)) in set(files) - promised.keys():
            return f"the marker {marker} is damaged"
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
        with open_regular(part) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() not in promised[part][1]:
                return False
    except (FileNotFoundError, IrregularError):  # the former while it is computed again
        return False
    _whole[part] = now
    return True


__all__ = ["check_parts"]
