"""How often each piece of work was started: one that crashes its worker every time is abandoned after a few tries.

Ray restarts the work of a dead worker on another one, without limit. Work that was started and has neither finished nor
failed has a file beside the ledger, one byte per try; it also tells what a run without progress is working on.
"""

from dataclasses import dataclass
from pathlib import Path

from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Work
from filterscope.pipeline.stores.places import lengthen, remove_tree

#: Times that a piece of work may crash its worker before the run gives up on it.
TRIES = 4


@dataclass(frozen=True)
class Attempts:
    """Tries of the pieces of work of one run, under a folder."""

    folder: Path

    def begin(self, work: Work, step: int) -> int:
        """Count a try of a step; return how many there were before, none of which ended."""
        return lengthen(self._path(work.keys[0], step))

    def end(self, work: Work, step: int) -> None:
        """Record that a step ended, whether it succeeded or not."""
        self._path(work.keys[0], step).unlink(missing_ok=True)

    def open(self, stage: str) -> list[str]:
        """Return the keys of a stage that were started and have not ended, sorted."""
        found = (path.relative_to(self.folder) for path in (self.folder / stage).rglob("*.step-*"))
        return sorted({str(path.parent / path.name.rpartition(".")[0]) for path in found})

    def forget(self, stage: str) -> None:
        """Reset the counts of a stage, as in a new run."""
        remove_tree(self.folder / stage)

    def _path(self, key: Key, step: int) -> Path:
        # a folder of each would be made and removed as often as there are pieces
        return self.folder.joinpath(key.stage, *key.place[:-1], f"{key.place[-1]}.step-{step}")
