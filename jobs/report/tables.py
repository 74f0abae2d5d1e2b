"""Which tables a run holds, and in what state they are, so that a page whose tables changed is written anew."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from filterscope.pipeline.stores.places import signature

Folder = tuple[str, ...]


class TableFiles:
    """The files of a run's tables: each table is listed once.

    Parameters
    ----------
    run : Path
        The run folder.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._digests: dict[str, dict[Folder, str]] = {}

    def state(self, tables: Iterable[str], model: str | None = None, layer: str | None = None) -> str:
        """Return a digest of names, sizes and times of the files of tables, or of those that say something of a layer."""
        found = hashlib.sha256()
        for name in tables:
            for folder, digest in self._below(name, model, layer):
                found.update(f"{name} {'/'.join(folder)} {digest}\n".encode())
        return found.hexdigest()[:16]

    def has(self, table: str, model: str | None = None, layer: str | None = None) -> bool:
        """Tell whether a table has files, or files of a layer alone."""
        folder = _folder(model, layer)
        return any(held[: len(folder)] == folder for held in self._of(table))

    def _below(self, name: str, model: str | None, layer: str | None) -> Iterator[tuple[Folder, str]]:
        """Yield the folders that hold rows of a layer: its own, and those of its model and of the run."""
        wanted = _folder(model, layer)
        for folder, digest in self._of(name).items():
            shared = min(len(folder), len(wanted))
            if folder[:shared] == wanted[:shared]:
                yield folder, digest

    def _of(self, name: str) -> dict[Folder, str]:
        if name not in self._digests:
            root = self._run / "tables" / name
            digests: dict[Folder, hashlib._Hash] = {}
            for path in sorted(root.rglob("*.parquet")):
                folder = path.relative_to(root).parts[:-1]
                digests.setdefault(folder, hashlib.sha256()).update(f"{path.name} {signature(path)}\n".encode())
            self._digests[name] = {folder: digest.hexdigest() for folder, digest in digests.items()}
        return self._digests[name]


def _folder(model: str | None, layer: str | None) -> Folder:
    pairs = (("model", model), ("layer", layer))
    return tuple(f"{key}={value}" for key, value in pairs if value is not None)


__all__ = ["TableFiles"]
