"""Rows about pattern clustering: speed beside plain numpy, growth with peaks, the stages beside extraction."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from filterscope.operators.numerics.gaussian_mixture import fit_mixture
from filterscope.operators.patterns.patterns import describe, find_patterns
from tests import naive
from tests.bench.dataflow import source
from tests.bench.real import coco
from tests.bench.row import Row, interleaved
from tests.bench.staged import staged
from tests.planted.patterns import STRIDE, planted_filter

_CELL = (STRIDE, STRIDE)
_FILTERS, _PEAKS = 10, 300
_LAYERS = ("features.18", "features.13")


def _planted(peaks: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return places and features of planted filters of one, two or three patterns."""
    return [planted_filter(1 + seed % 3, peaks, seed, noise=0.3)[:2] for seed in range(_FILTERS)]


def patterns_vs_numpy() -> Iterator[Row]:
    """Compare mixtures of one to at most eight Gaussians of 300 peaks with the same in numpy, arrays over peaks."""
    filters = _planted(_PEAKS)
    points = [describe(*part, _CELL, seed) for seed, part in enumerate(filters)]
    whole, own, plain = interleaved(
        [
            lambda: [find_patterns(*part, _CELL, seed) for seed, part in enumerate(filters)],
            lambda: [fit_mixture(part, seed) for seed, part in enumerate(points)],
            lambda: [naive.numerics.fit_mixture(part, seed) for seed, part in enumerate(points)],
        ],
        repeats=3,
    )
    peer = f"mixtures alone {1e3 * own / _FILTERS:.1f} ms, in numpy {1e3 * plain / _FILTERS:.0f} ms"
    yield Row("patterns_vs_numpy", 1e3 * whole / _FILTERS, "ms a filter", peer, plain / own, ">= 5")


def patterns_linear() -> Iterator[Row]:
    """Compare filters of 500 peaks, the most that are clustered, with filters of 250."""
    few, many = _planted(250), _planted(500)
    once, twice = interleaved(
        [lambda part=part: [find_patterns(*p, _CELL, s) for s, p in enumerate(part)] for part in (few, many)], repeats=3
    )
    peer = f"{1e3 * once / _FILTERS:.1f} ms a filter for 250"
    yield Row("patterns_linear", 1e3 * twice / _FILTERS, "ms for 500 peaks", peer, twice / once, "<= 2.2")


def _cpu_seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def patterns_over_extraction() -> Iterator[Row]:
    """Compare the processor time of both stages with that of decoding and forward passes: 128 COCO images, two layers."""
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import planned

    with TemporaryDirectory(prefix="filterscope-bench-") as place:
        model = {"source": source("mobilenet_v2"), "layers": list(_LAYERS)}
        settings = {"data": coco(colors=False).folder, "models": [model], "metrics": "patterns", "batch_size": 4}
        plan = planned(load_config(out=Path(place) / "run", **settings))
        stage, blocks = staged(plan, "extract")
        decode, forward = stage.steps[0].call, stage.steps[1].call()
        forward(blocks[0].task, **decode(blocks[0].task))
        extracted = _cpu_seconds(lambda: [forward(work.task, **decode(work.task)) for work in blocks])
        taken = []
        for stage, works in (staged(plan, name) for name in ("local-features", "patterns")):
            stage.steps[0].call(works[0].task)
            taken.append(_cpu_seconds(lambda stage=stage, works=works: [stage.steps[0].call(w.task) for w in works]))
        units = sum(layer.channels for layer in plan.models[0].layers)
        features, patterns = taken
        peer = f"extraction {extracted:.1f} s; vectors {features:.2f} s, patterns {patterns:.2f} s for {units} filters"
        yield Row("patterns_over_extraction", sum(taken), "processor s", peer, sum(taken) / extracted)
