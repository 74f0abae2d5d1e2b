"""The journal of a run, `journal.jsonl`: one JSON object per line for everything that happened, with the key of the work."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
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
            self._write(event, level="error", fields={"error": str(error)})
        assert self._file is not None
        self._file.close()

    def begin(self, name: str) -> None:
        """Write that a stage begins."""
        self._write("stage begun", fields={"stage": name})

    def advance(self, outputs: Sequence[Output]) -> None:
        """Write which pieces of work are done."""
        for output in outputs:
            key, done = output.key, {"rows": output.rows, "images": output.images, "rejects": output.rejects}
            done |= {"retries": output.retries} if output.retries else {}
            self._write("work done", fields={"stage": key.stage, "key": key.text, **done})

    def _write(self, event: str, level: str = "info", fields: Mapping[str, Any] = MappingProxyType({})) -> None:
        assert self._file is not None
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event, **fields}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
