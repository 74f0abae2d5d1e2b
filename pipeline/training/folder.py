"""The folder of a training: what was asked of each recipe, the ledger, states, networks and tables."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterscope.pipeline.engine.errors import DamagedRecordError, InputError
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.models.names import RECORD
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.versions import versions
from filterscope.pipeline.stores.places import StoreError, path_of, read_regular, write_atomically
from filterscope.pipeline.training.plan import Asked, Chain, asked_of, chain_of, recorded, settings_of

_FORMAT = 1


@dataclass(frozen=True)
class TrainingFolder:
    """A folder with ``training.toml``, ``ledger/``, ``states/``, ``networks/`` and ``tables/``."""

    path: Path

    @classmethod
    def at(cls, path: str | Path) -> "TrainingFolder | None":
        """Open the folder of a training; None where it is none."""
        folder = cls(path_of(path))
        return folder if folder.exists else None

    @property
    def exists(self) -> bool:
        """Whether something was trained here."""
        return (self.path / RECORD).is_file()

    @property
    def run(self) -> RunFolder:
        """The same folder as one of a run, for its ledger and its log."""
        return RunFolder(self.path)

    @property
    def ledger(self) -> Ledger:
        """Markers of its finished pieces of work."""
        return self.run.ledger

    def refuse_foreign(self) -> None:
        """Stop if the folder holds something else than a training.

        Raises
        ------
        InputError
            With what it is.
        """
        if self.run.exists:
            raise InputError(f"{self.path} holds an audit; choose another --out for what is trained")
        if not self.exists:
            self.run.refuse_foreign()

    def asked(self) -> list[Asked]:
        """Return what was asked of each recipe.

        Raises
        ------
        DamagedRecordError
            If ``training.toml`` is not as it was written.
        """
        path = self.path / RECORD
        if not path.is_file():
            return []
        try:
            stated = tomllib.loads(read_regular(path).decode())
            if stated["format"] != _FORMAT:
                raise InputError(f"{self.path} was written by another version of filterscope; choose another --out")
            return [asked_of(one) for one in stated["trainings"]]
        except (StoreError, InputError):
            raise
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedRecordError(
                f"{path} is damaged ({str(error) or type(error).__name__}); remove it and give the command again: what is "
                "finished is kept"
            ) from error

    def record(self, asked: Asked) -> None:
        """Add what is asked of a recipe, in the place of what was asked of it before."""
        import tomli_w

        others = [one for one in self.asked() if one.recipe != asked.recipe]
        stated: dict[str, Any] = {
            "format": _FORMAT,
            "versions": versions(),
            "trainings": [recorded(one) for one in sorted([*others, asked], key=lambda one: one.recipe)],
        }
        write_atomically(self.path / RECORD, tomli_w.dumps(stated).encode())

    def chains(self) -> list[Chain]:
        """Return all trainings of the folder; its data sets must be at hand."""
        return [chain_of(self.path, setting) for asked in self.asked() for setting in settings_of(asked)]

    def missing(self, chains: Sequence[Chain]) -> int:
        """Return how many pieces of work are not done."""
        return sum(self.ledger.count_missing(chain.keys) for chain in chains)


__all__ = ["TrainingFolder"]
