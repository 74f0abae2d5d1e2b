"""The ledger: one small marker file for each finished unit of work, written after everything else.

A marker's name ends in the unit's fingerprint, so that one listing of the folder tells what is done.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filterscope.pipeline.engine.stage import Output, Unit
from filterscope.pipeline.stores.places import is_object, write_atomically


@dataclass(frozen=True)
class Ledger:
    """Markers of finished units under a folder."""

    folder: Path

    def mark(self, output: Output, seconds: float, core_seconds: float = 0.0) -> None:
        """Record that a unit is finished and its outputs are in place, and the wall and processor time it took."""
        unit = output.unit
        record = {
            "unit": unit.key,
            **{key: value for key, value in asdict(output).items() if key != "unit"},
            "seconds": round(seconds, 3),
            "core_seconds": round(core_seconds, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "parameters": dict(unit.fingerprint.parameters),
            "inputs": dict(unit.fingerprint.inputs),
        }
        write_atomically(self.path(unit), json.dumps(record, indent=1).encode())

    def missing(self, units: Iterable[Unit]) -> list[Unit]:
        """Return the units that have no marker of their present fingerprint, in the order given."""
        listings: dict[Path, set[str]] = {}
        missing = []
        for unit in units:
            path = self.path(unit)
            names = listings.setdefault(path.parent, _listing(path.parent))
            if path.name not in names:
                missing.append(unit)
        return missing

    def changed(self, units: Iterable[Unit]) -> tuple[Unit, dict[str, Any]] | None:
        """Return the first unit that was finished under another fingerprint, and its marker of then."""
        listings: dict[Path, dict[str, str]] = {}
        for unit in units:
            path = self.path(unit)
            if path.parent not in listings:
                listings[path.parent] = {name.rsplit(".", 2)[0]: name for name in _listing(path.parent)}
            found = listings[path.parent].get(path.name.rsplit(".", 2)[0])
            if found and found != path.name:
                return unit, json.loads((path.parent / found).read_bytes())
        return None

    def records(self, stage: str) -> Iterable[dict[str, Any]]:
        """Yield what the markers of a stage say."""
        for path in sorted((self.folder / stage).rglob("*.json")):
            yield json.loads(path.read_bytes())

    def all_records(self) -> Iterable[dict[str, Any]]:
        """Yield what the markers of all stages say, damaged ones left out."""
        for path in sorted(self.folder.rglob("*.json")):
            try:
                record = json.loads(path.read_bytes())
            except ValueError:
                continue
            if isinstance(record, dict) and {"unit", "checksums"} <= record.keys():
                yield record

    def forget(self, units: Iterable[Unit]) -> int:
        """Remove the markers of units, whatever their fingerprint; return how many there were."""
        removed = 0
        for unit in units:
            path = self.path(unit)
            for marker in path.parent.glob(f"{path.name.rsplit('.', 2)[0]}.*.json"):
                marker.unlink()
                removed += 1
        return removed

    def path(self, unit: Unit) -> Path:
        """Return where the marker of a unit lies."""
        *folders, name = unit.place
        return self.folder.joinpath(unit.stage, *folders, f"{name}.{unit.fingerprint.digest}.json")

    @staticmethod
    def difference(unit: Unit, record: dict[str, Any]) -> str:
        """Say which parameters differ between a unit and a marker, with both values."""
        now = {**unit.fingerprint.parameters, **unit.fingerprint.inputs}
        then = {**record["parameters"], **record["inputs"]}
        return "; ".join(
            f"{name} is {now.get(name)!r} and was {then.get(name)!r}"
            for name in sorted(now.keys() | then.keys())
            if now.get(name) != then.get(name)
        )


def _listing(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()} if is_object(folder) else set(os.listdir(folder))
    except FileNotFoundError:
        return set()
