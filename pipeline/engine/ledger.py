"""The ledger: one small marker file for each finished piece of work, written after everything else.

A marker's name ends in the key's fingerprint, so that one listing of the folder tells what is done.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filterscope.pipeline.engine.errors import DamagedRecordError
from filterscope.pipeline.engine.keys import Grid, Key, Keys
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.stores.places import StoreError, listing, read_regular, remove, write_atomically


@dataclass(frozen=True)
class Ledger:
    """Markers of finished pieces of work under a folder."""

    folder: Path

    def mark(self, output: Output, seconds: float, core_seconds: float = 0.0) -> None:
        """Record that the outputs of a key are in place, and the wall and processor time they took."""
        key = output.key
        record = {
            "key": key.text,
            **{name: value for name, value in vars(output).items() if name != "key"},
            "checksums": dict(output.checksums),
            "seconds": round(seconds, 3),
            "core_seconds": round(core_seconds, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "parameters": dict(key.fingerprint.parameters),
            "inputs": dict(key.fingerprint.inputs),
        }
        record["seal"] = _seal(record)
        write_atomically(self.path(key), json.dumps(record).encode())

    def missing(self, keys: Iterable[Key]) -> Iterator[Key]:
        """Yield the keys that have no marker of their present or former fingerprint, in the order given.

        What is listed is forgotten from one part of `Keys` to the next, so that memory does not grow with their number.
        """
        for part in keys.parts if isinstance(keys, Keys) else (keys,):
            names: dict[Path, set[str]] = {}
            for key in part:
                path = self.path(key)
                if path.parent not in names:
                    names[path.parent] = listing(path.parent)
                if not _marked(key, path, names[path.parent]):
                    yield key

    def count_missing(self, keys: Iterable[Key]) -> int:
        """Return how many keys have no marker; a grid none of whose folders holds a marker is not walked."""
        parts = keys.parts if isinstance(keys, Keys) else (keys,)
        return sum(
            len(part) if isinstance(part, Grid) and self._untouched(part) else sum(1 for _ in self.missing(part))
            for part in parts
        )

    def changed(self, keys: Iterable[Key]) -> tuple[Key, dict[str, Any]] | None:
        """Return the first key that was finished under another fingerprint, with that marker."""
        for part in keys.parts if isinstance(keys, Keys) else (keys,):
            found: dict[Path, dict[str, set[str]]] = {}
            for key in () if isinstance(part, Grid) and self._untouched(part) else part:
                path = self.path(key)
                if path.parent not in found:
                    found[path.parent] = _by_key(listing(path.parent))
                names = found[path.parent].get(path.name.rsplit(".", 2)[0])
                if names and not _marked(key, path, names):
                    with suppress(DamagedRecordError):
                        return key, _read(path.parent / max(names))
        return None

    def _untouched(self, grid: Grid) -> bool:
        """Tell whether no folder of a grid holds a marker."""
        return not any(listing(self.folder.joinpath(grid.stage, *folder)) for folder in grid.folders)

    def record(self, key: Key) -> dict[str, Any]:
        """Return what the marker of a key says; DamagedRecordError where it is not as it was written."""
        path = self.marker(key)
        record = _read(path)
        if record["key"] != key.text:
            raise DamagedRecordError(f"{path} is the marker of {record['key']!r}")
        return record

    def output(self, key: Key) -> Output:
        """Return what was reported of a finished key."""
        record = self.record(key)
        return Output(key, **{name: record[name] for name in ("rows", "images", "rejects", "checksums", "retries")})

    def marker(self, key: Key) -> Path:
        """Return the marker of a key that is there: of its present or former fingerprint."""
        path = self.path(key)
        return path.with_name(_named(key, key.former)) if key.former and not path.exists() else path

    def records(self, stage: str) -> Iterator[dict[str, Any]]:
        """Yield what the markers of a stage say; damaged ones are left out, which `doctor` finds."""
        return self._sound(self.folder / stage)

    def all_records(self) -> Iterator[dict[str, Any]]:
        """Yield what the markers of all stages say, damaged ones left out."""
        return self._sound(self.folder)

    def _sound(self, folder: Path) -> Iterator[dict[str, Any]]:
        for path in sorted(folder.rglob("*.json")):
            with suppress(DamagedRecordError, FileNotFoundError):
                yield _read(path)

    def holds(self, stage: str) -> bool:
        """Tell whether a stage has finished anything."""
        return any((self.folder / stage).rglob("*.json"))

    def forget(self, keys: Iterable[Key]) -> int:
        """Remove the markers of keys, whatever their fingerprint; return how many there were."""
        removed = 0
        for key in keys:
            path = self.path(key)
            place = path.name.rsplit(".", 2)[0]
            for marker in path.parent.glob("*.json") if path.parent.is_dir() else ():
                if marker.name.rsplit(".", 2)[0] == place:
                    remove(marker)
                    removed += 1
        return removed

    def path(self, key: Key) -> Path:
        """Return where the marker of a key lies."""
        return self.folder.joinpath(key.stage, *key.place[:-1], _named(key, key.fingerprint.digest))

    @staticmethod
    def difference(key: Key, record: dict[str, Any]) -> str:
        """Say which parameters differ between a key and a marker, with both values."""
        now = {**key.fingerprint.parameters, **key.fingerprint.inputs}
        then = {**record["parameters"], **record["inputs"]}

        def stated(values: dict[str, Any], name: str) -> str:
            return repr(values[name]) if name in values else "not stated"

        return "; ".join(
            f"{name} is {stated(now, name)} and was {stated(then, name)}"
            for name in sorted(now.keys() | then.keys())
            if now.get(name) != then.get(name)
        )


def _named(key: Key, digest: str) -> str:
    return f"{key.place[-1]}.{digest}.json"


def _marked(key: Key, path: Path, names: set[str]) -> bool:
    return path.name in names or (key.former is not None and _named(key, key.former) in names)


def _by_key(names: set[str]) -> dict[str, set[str]]:
    """Group the names of markers by what stands before the fingerprint."""
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(name.rsplit(".", 2)[0], set()).add(name)
    return found


def _seal(record: Mapping[str, Any]) -> str:
    """Return a digest of what a marker says."""
    stated = {name: value for name, value in record.items() if name != "seal"}
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:16]


#: What a marker must say, and what those of earlier versions may leave out.
_TYPES = {
    "key": str,
    "checksums": dict,
    "rows": int,
    "images": int,
    "rejects": int,
    "retries": int,
    "finished": str,
    "parameters": dict,
}
_LATER = {
    "rows": 0,
    "images": 0,
    "rejects": 0,
    "retries": 0,
    "finished": "1970-01-01T00:00:00+00:00",
    "parameters": {},
    "inputs": {},
}


def _read(path: Path) -> dict[str, Any]:
    """Read a marker; those of version 0.1 call their key `unit`. DamagedRecordError if it is not as it was written."""
    try:
        record = json.loads(read_regular(path))
        if record.get("seal", None) not in (None, _seal(record)):
            raise ValueError("its seal is broken")
        if "unit" in record:
            record["key"] = record.pop("unit")
        record = {**_LATER, **record}
        for name, kind in _TYPES.items():
            if type(record[name]) is not kind:
                raise TypeError(f"{name} is a {type(record[name]).__name__}")
            if kind is int and not 0 <= record[name] < 2**63:
                raise ValueError(f"{name} is no count")
        if not all(type(digest) is str for digest in record["checksums"].values()):
            raise TypeError("a checksum is no text")
        datetime.fromisoformat(record["finished"])
        return record
    except (StoreError, FileNotFoundError):
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedRecordError(
            f"{path} is damaged ({error}); `filterscope doctor RUN --repair` computes it again"
        ) from error


__all__ = ["Ledger"]
