"""Writing activations by image and reading them by unit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from filterscope.pipeline.stores.activations import ActivationStore
from tests.bench.real import IMAGE_BLOCK, MOBILENET_LAYERS, activations, forward, image_files
from tests.bench.row import Row, interleaved

_UNIT_BLOCK = 64

#: The two layers that an audit of mobilenet_v2 is timed on.
_AUDITED = (7, 14)


@contextmanager
def _store(maps: np.ndarray) -> Iterator[ActivationStore]:
    with TemporaryDirectory(prefix="filterscope-bench-") as folder:
        store = ActivationStore(Path(folder), "model", "layer")
        store.create(len(maps), *maps.shape[1:], image_block=IMAGE_BLOCK, unit_block=_UNIT_BLOCK)
        yield store


def _writing(store: ActivationStore, maps: np.ndarray) -> Callable[[], None]:
    maxima = maps.max(axis=(2, 3))

    def run() -> None:
        for start in range(0, len(maps), IMAGE_BLOCK):
            stop = start + IMAGE_BLOCK
            store.write(start, maps[start:stop], maxima[start:stop])

    return run


def _reading(store: ActivationStore, maps: np.ndarray) -> Callable[[], None]:
    def run() -> None:
        for unit in range(0, maps.shape[1], _UNIT_BLOCK):
            for start in range(0, len(maps), IMAGE_BLOCK):
                store.read(start, min(start + IMAGE_BLOCK, len(maps)), slice(unit, unit + _UNIT_BLOCK))

    return run


def store_write() -> Iterator[Row]:
    """Write blocks of 64 images, logical megabytes a second, and the share of an extracting actor's time."""
    seconds = {}
    for side, maps in activations().items():
        with _store(maps) as store:
            (seconds[side],) = interleaved([_writing(store, maps)], repeats=20, clock=perf_counter)
            size = sum(file.stat().st_size for file in store.run.rglob("*") if file.is_file())
        rate = maps.nbytes / seconds[side] / 1e6
        yield Row(
            f"store_write.{side}x{side}", rate, "MB/s", f"stored {size / maps.nbytes:.2f} of it", target=">= 300 MB/s"
        )
    files, run = image_files(), forward([MOBILENET_LAYERS[side] for side in _AUDITED])
    (passes,) = interleaved([lambda: run(files[:32])], repeats=3, clock=perf_counter)
    write = sum(seconds[side] for side in _AUDITED) / len(files)
    share = write / (passes / 32 + write)
    yield Row("store_write.share_of_extract", 100 * share, "%", "decoding, forward pass and writing", target="<= 3 %")


def store_read_by_unit() -> Iterator[Row]:
    """Read blocks of 64 units over all images, logical megabytes a second."""
    for side, maps in activations().items():
        with _store(maps) as store:
            _writing(store, maps)()
            (seconds,) = interleaved([_reading(store, maps)], repeats=20, clock=perf_counter)
        rate = maps.nbytes / seconds / 1e6
        yield Row(f"store_read_by_unit.{side}x{side}", rate, "MB/s", target=">= 1,000 MB/s")
