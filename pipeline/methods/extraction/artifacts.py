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
    """Shards of activations, which are compared with the maxima that were stored beside them."""

    def problems(self, run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
        """Read a shard and compare the maxima of its maps with those stored."""
        if self.removed(run, place):
            return
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


#: Activations of a block of views.
MAPS = _Maps("maps", removed=_removed)
#: Their maxima, which outlive them; doctor reads both together.
MAXIMA = Artifact("maxima")
#: Which views could be decoded, as the maxima tell.
DECODED = Artifact("decoded", of_data=True)

__all__ = ["DECODED", "MAPS", "MAXIMA"]
