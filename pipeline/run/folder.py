"""The run folder: what a run was asked, what it planned, what it did."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa

from filterscope.pipeline.engine.errors import DamagedRecordError, InputError
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.lock import LOCK
from filterscope.pipeline.engine.stage import Stage
from filterscope.pipeline.models.names import RECORD
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.run.versions import versions
from filterscope.pipeline.stores.places import StoreError, path_of, read_regular, remove, signature, write_atomically
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

_FORMAT = 1


@dataclass(frozen=True)
class RunFolder:
    """A folder with ``run.toml``, ``ledger/``, arrays and ``tables/``."""

    path: Path

    @classmethod
    def existing(cls, path: str | Path) -> "RunFolder":
        """Open a run folder that is there.

        Raises
        ------
        InputError
            If there is no run.
        """
        folder = cls(path_of(path))
        if not folder.exists and (folder.path / RECORD).is_file():
            raise InputError(
                f"{path} holds trained networks and no audit; audit one: `filterscope audit --model trained:{path}/NAME`"
            )
        if not folder.exists:
            raise InputError(f"no run at {path} (it has no run.toml); make one with `filterscope audit --out {path}`")
        return folder

    @property
    def identity(self) -> str:
        """A digest of what is audited and how, wherever the folder lies; a run with more models or layers has another."""
        return _seal(self.plan().as_dict())

    @property
    def exists(self) -> bool:
        """Whether a run was planned here."""
        return (self.path / "run.toml").is_file()

    @property
    def ledger(self) -> Ledger:
        """Markers of its finished pieces of work."""
        return Ledger(self.path / "ledger")

    def recorded(self) -> dict[str, Any]:
        """Return what ``run.toml`` says: request, plan, files.

        Raises
        ------
        DamagedRecordError
            If it is not as it was written.
        InputError
            If it was written by another version.
        """
        path = self.path / "run.toml"
        try:
            stated = tomllib.loads(read_regular(path).decode())
            version, sections = stated["format"], [stated[name] for name in ("request", "plan", "files")]
            if not all(isinstance(section, dict) for section in sections):
                raise TypeError("a section is no table")
            if (
                version == _FORMAT
                and "seal" in stated
                and stated["seal"] not in map(_seal, repeat(stated["plan"]), _SEALS)
            ):
                raise ValueError("its seal is broken")
        except StoreError:
            raise
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise _damaged(path, error) from error
        if version != _FORMAT:
            raise InputError(f"{self.path} was written by another version of filterscope; choose another --out")
        return stated

    def plan(self) -> Plan:
        """Return the recorded plan; errors as of `recorded`."""
        stated = self.recorded()
        try:
            plan = Plan.from_dict(stated["plan"], self.path)
            _ = plan.options
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise _damaged(self.path / "run.toml", error) from error
        return plan

    def record(self, request: dict[str, Any], plan: Plan, files: list[Path]) -> None:
        """Write ``run.toml``: what was asked, what is planned, and the files it was planned from."""
        import tomli_w

        stated = {
            "format": _FORMAT,
            "request": request,
            "versions": versions(),
            "files": {str(path): signature(path) for path in files},
            **_sealed(plan),
        }
        if (self.path / "run.toml").is_dir():  # what a damaged disk left
            remove(self.path / "run.toml")
        write_atomically(self.path / "run.toml", tomli_w.dumps(stated).encode())

    def extend(self, plan: Plan) -> None:
        """Replace the plan in ``run.toml``; what was asked of the audit, its files and versions stay as recorded."""
        import tomli_w

        stated = {**self.recorded(), **_sealed(plan)}
        write_atomically(self.path / "run.toml", tomli_w.dumps(stated).encode())

    def refuse_foreign(self) -> None:
        """Stop if the folder holds something that is not a run."""
        if self.exists or not self.path.exists():
            return
        if (self.path / RECORD).is_file():
            raise InputError(f"{self.path} holds trained networks; choose another --out for an audit")
        if (self.path / "ledger").is_dir():  # its run.toml was lost, and is written again
            return
        if not self.path.is_dir() or any(item.name != LOCK for item in self.path.iterdir()):
            raise InputError(f"{self.path} exists and is not a run folder; choose another --out")

    def missing(self, stages: Sequence[Stage]) -> int:
        """Return how many pieces of work of the stages are not done."""
        return sum(self.ledger.count_missing(stage.keys) for stage in stages)

    @contextmanager
    def logged(self, began: datetime, command: str, request: dict[str, Any]) -> Iterator[None]:
        """Add a row to the table `runs` when the work within ends: done, failed or interrupted."""
        outcome = "failed"
        try:
            yield
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            self._log(began, outcome, command, request)

    def _log(self, began: datetime, outcome: str, command: str, request: dict[str, Any]) -> None:
        row = {
            "started": began,
            "seconds": (datetime.now(UTC) - began).total_seconds(),
            "outcome": outcome,
            "command": command,
            "parameters": json.dumps(request, sort_keys=True),
            "versions": json.dumps(versions(), sort_keys=True),
        }
        name = f"run-{began:%Y%m%dT%H%M%S%f}"
        write_table(self.path, "runs", (name,), [pa.Table.from_pylist([row], schema=TABLES["runs"])])


#: What of a plan may change beside the audit: the places of folders.
_UNSEALED = frozenset({"run", "data"})

#: What seals leave out: those written now, and the first ones.
_SEALS = (_UNSEALED, _UNSEALED | {"values", "layout"})


def _seal(plan: Any, unsealed: Set[str] = _UNSEALED) -> str:
    """Return a digest of a plan as ``run.toml`` states it, but for what is not sealed."""

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: kept(inner) for name, inner in value.items() if name not in unsealed}
        return [kept(inner) for inner in value] if isinstance(value, (list, tuple)) else value

    return hashlib.sha256(json.dumps(kept(plan), sort_keys=True, default=str).encode()).hexdigest()[:16]


def _sealed(plan: Plan) -> dict[str, Any]:
    stated = plan.as_dict()
    return {"seal": _seal(stated), "plan": stated}


def _damaged(path: Path, error: Exception) -> DamagedRecordError:
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    return DamagedRecordError(
        f"{path} is damaged ({reason}); `filterscope audit` with the run's own settings writes it again"
    )


def unchanged(files: dict[str, list[int]]) -> bool:
    """Tell whether files still have their recorded size and time."""
    return all(path_of(path).is_file() and signature(path_of(path)) == then for path, then in files.items())
