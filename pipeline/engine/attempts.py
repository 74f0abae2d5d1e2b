"""How often a piece of work was begun: one that ends its worker's process every time is given up after a few tries.

Ray begins the work of a worker that died anew on another, without end. What was begun and neither finished nor failed has
a file beside the ledger, with one byte a try; it also tells what a run that stands still is at.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from filterscope.pipeline.engine.stage import Unit, Work
from filterscope.pipeline.stores.places import is_object, remove_tree

#: Times that a piece of work may end its worker before it is given up.
TRIES = 4


@dataclass(frozen=True)
class Attempts:
    """Tries of the pieces of work of one run, under a folder."""

    folder: Path

    def begin(self, work: Work, step: int) -> int:
        """Count a try of a step; return how many there were before, none of which came to an end."""
        path = self._path(work.units[0], step)
        if is_object(path):
            before = path.stat().st_size if path.is_file() else 0
            path.write_bytes(b"." * (before + 1))
            return before
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            before = os.fstat(file).st_size
            os.write(file, b".")
        finally:
            os.close(file)
        return before

    def end(self, work: Work, step: int) -> None:
        """Take note that a step came to an end, whether well or not."""
        self._path(work.units[0], step).unlink(missing_ok=True)

    def open(self, stage: str) -> list[str]:
        """Return the keys of the units of a stage that were begun and did not come to an end, sorted."""
        return sorted({str(path.relative_to(self.folder).parent) for path in (self.folder / stage).rglob("step-*")})

    def forget(self, stage: str) -> None:
        """Begin to count anew, as in a new run."""
        remove_tree(self.folder / stage)

    def _path(self, unit: Unit, step: int) -> Path:
        return self.folder.joinpath(unit.stage, *unit.place, f"step-{step}")
