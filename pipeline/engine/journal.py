"""The journal of a run, `journal.jsonl`: one JSON object a line for everything that happened, with the unit's key."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.stores.places import open_appending

JOURNAL = "journal.jsonl"


class Journal:
    """Appends to the journal of a run while it is open.

    Parameters
    ----------
    run : Path
        The run folder.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / JOURNAL
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._file = open_appending(self._path)
        self._write("run begun")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._write("run done")
        else:
            event = "run interrupted" if issubclass(kind, KeyboardInterrupt) else "run failed"
            self._write(event, level="error", error=str(error))
        assert self._file is not None
        self._file.close()

    def begin(self, name: str) -> None:
        """Write that a stage begins."""
        self._write("stage begun", stage=name)

    def advance(self, outputs: Sequence[Output]) -> None:
        """Write which units are done."""
        for output in outputs:
            counts = {"rows": output.rows, "images": output.images, "rejects": output.rejects}
            self._write("unit done", stage=output.unit.stage, unit=output.unit.key, **counts)

    def _write(self, event: str, level: str = "info", **fields: Any) -> None:
        assert self._file is not None
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event, **fields}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
