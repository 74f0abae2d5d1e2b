"""Thresholds from histograms against a partition and a sketch."""

from collections.abc import Callable, Iterator

import numpy as np

from filterscope.operators.activations.quantile import Gathered, add_to_histogram, empty_histogram, upper_quantile
from tests.bench.real import IMAGE_BLOCK, activations
from tests.bench.row import Row, interleaved

_UNITS = 64


def _in_blocks(maps: np.ndarray) -> list[np.ndarray]:
    """Cut maps as the store hands them to a task: 64 images of 64 units, contiguous."""
    starts = range(0, len(maps), IMAGE_BLOCK)
    return [np.ascontiguousarray(maps[start : start + IMAGE_BLOCK, :_UNITS]) for start in starts]


def _ours(maps: np.ndarray, passes: int) -> Callable[[], None]:
    """Fill the histograms as an audit of `passes` times as many images does."""
    blocks = _in_blocks(maps)
    counts = empty_histogram(blocks[0].shape[1])

    def run() -> None:
        gathered = Gathered(counts)
        for _ in range(passes):
            for block in blocks:
                gathered.add(block)
        gathered.flush()

    return run


def _partition(maps: np.ndarray) -> Callable[[], None]:
    units = np.ascontiguousarray(maps[:, :_UNITS].transpose(1, 0, 2, 3)).reshape(min(_UNITS, maps.shape[1]), -1)
    rank = int(np.ceil(units.shape[1] * 0.995)) - 1
    return lambda: np.partition(units, rank, axis=1)[:, rank]


def _sketch(maps: np.ndarray) -> Callable[[], None] | None:
    try:
        import datasketches
    except ImportError:
        return None
    units = np.ascontiguousarray(maps[:, :4].transpose(1, 0, 2, 3)).reshape(4, -1).astype(np.float32)

    def run() -> None:
        for unit in units:
            sketch = datasketches.kll_floats_sketch(4096)
            sketch.update(unit)
            sketch.get_quantile(0.995)

    return run


def quantile() -> Iterator[Row]:
    """Count float16 elements a second on one core, exactly, in blocks of 64 images and 64 units."""
    for side, maps in activations().items():
        units, passes = min(_UNITS, maps.shape[1]), 8
        elements = len(maps) * units * side * side
        runs = [_ours(maps, passes), _partition(maps)]
        sketch = _sketch(maps)
        times = interleaved([*runs, sketch] if sketch else runs, repeats=5)
        rate = passes * elements / times[0] / 1e6
        others = {"np.partition": elements / times[1] / 1e6}
        if sketch:
            others["KLL sketch"] = 4 * len(maps) * side * side / times[2] / 1e6
        peer = ", ".join(f"{name} {value:.1f} M/s ({rate / value:.0f}x)" for name, value in others.items())
        yield Row(f"quantile.{side}x{side}", rate, "M elements/s", peer, rate / others["np.partition"], ">= 300 M/s")
    yield _threshold()


def _threshold() -> Row:
    maps = activations()[7][:, :_UNITS]
    counts = empty_histogram(_UNITS)
    add_to_histogram(counts, np.ascontiguousarray(maps))
    (time,) = interleaved([lambda: upper_quantile(counts, 0.005)])
    return Row("quantile.of_histogram", 1e6 * time / _UNITS, "us/unit")
