"""What the forward passes leave: maps, their maxima, and which views could be decoded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filterscope.pipeline.methods.tasks import start_of
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.artifacts import MISSING, Artifact, KeyPlace


@dataclass(frozen=True)
class _Maps(Artifact):
    """Shards of activations; without a checksum, as from version 0.1, they are compared with the maxima stored beside them."""

    def problems(self, run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
        """Yield what is wrong with a shard."""
        if self.name in checksums:
            for path, what in super().problems(run, place, checksums):
                yield next(self._compared(run, place), (path, what))
        elif not self.removed(run, place):
            yield from self._compared(run, place)

    def _compared(self, run: Path, place: KeyPlace) -> Iterator[tuple[Path, str]]:
        model, layer, block = place
        store, start = ActivationStore(run, model, layer), start_of(block)
        shard = store.shard(start)
        if not shard.is_file():
            yield shard, MISSING
            return
        try:
            maps, maxima = store.read_block(start)
            stored = np.where(np.isnan(maxima), np.float16(0), maxima)
            if not np.array_equal(maps.max(axis=(2, 3)), stored):
                yield shard, "the activations do not have the maxima that were stored beside them"
        except (OSError, ValueError, RuntimeError) as error:
            yield shard, f"the file cannot be read: {error}"


def _removed(run: Path, place: KeyPlace) -> bool:
    return ActivationStore(run, *place[:2]).removed


def _shard(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> dict[str, Path]:
    model, layer, block = place
    return {"maps": ActivationStore(run, model, layer).shard(start_of(block))}


def _maxima(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> dict[str, Path]:
    """Return the files of maxima that a marker lists: one, or where a span of blocks was passed one for each."""
    store = ActivationStore(run, place[0], place[1])
    blocks = (name.removeprefix("maxima/") for name in checksums if name.startswith("maxima/"))
    return {f"maxima/{block}": store.maxima_path(block) for block in blocks}


#: Activations of a block of views.
MAPS = _Maps("maps", _shard, removed=_removed)
#: Their maxima, which outlive them.
MAXIMA = Artifact("maxima", _maxima)
#: Which views could be decoded, as the maxima tell.
DECODED = Artifact("decoded", of_data=True)

__all__ = ["DECODED", "MAPS", "MAXIMA"]
