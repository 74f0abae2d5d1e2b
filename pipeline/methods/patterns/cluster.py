"""Stage `patterns`: how many kinds of pattern each filter of a block of units mixes.

Two passes over the maps, as of `dissect`: the thresholds, then the peaks above them, of which each unit keeps its strongest.
What the layer sees at a peak comes from `local-features`. Neither annotations nor object boxes are needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.activations.local_maxima import LocalMaxima
from filterscope.operators.activations.quantile import Gathered, empty_histogram, upper_quantile
from filterscope.operators.location.location_instability import field_centres
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.patterns.patterns import FEWEST_PEAKS, MOST_AXES, MOST_PEAKS, Patterns, find_patterns
from filterscope.pipeline.engine.keys import Fingerprint
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.anchors import grid_of
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.dissection.reading import read_views
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.patterns.local_features import FEATURES, read_features
from filterscope.pipeline.methods.tasks import BlockTask, by_units
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Views that are listed of a pattern.
_LISTED = 100


def cluster(task: BlockTask) -> list[Output]:
    """Cluster the peaks of one block of units and write its parts of both tables."""
    found = list(_filters(task))
    tables = {
        "patterns": pa.concat_tables(
            [TABLES["patterns"].empty_table(), *(_pattern_rows(task, part) for part in found)]
        ),
        "unit_patterns": _unit_rows(task, found),
    }
    rows, checksums = 0, {}
    for name, table in tables.items():
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, [table])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


@dataclass(frozen=True)
class _Filter:
    """The n kept peaks of a filter, strongest first, how many more there are, and their patterns if they are enough."""

    unit: int
    view: np.ndarray
    place: np.ndarray
    activation: np.ndarray
    left_out: int
    patterns: Patterns | None


def _filters(task: BlockTask) -> Iterator[_Filter]:
    peaks = _peaks(task)
    features = read_features(task, peaks.view, peaks.position)
    centre, stride = grid_of(task.model, task.layer)
    place = field_centres(peaks.position, task.layer.width, centre, stride)
    activation = peaks.value / np.float32(task.plan.options.activation_scale)
    ends = np.searchsorted(peaks.unit, np.arange(task.stop - task.start + 1))
    for index, unit in enumerate(range(task.start, task.stop)):
        mine = slice(ends[index], ends[index + 1])
        count, patterns = ends[index + 1] - ends[index], None
        if count >= FEWEST_PEAKS:
            seed = seed_of("patterns", task.model.architecture, task.model.weights_sha256, task.layer.name, unit)
            patterns = find_patterns(place[mine], features[mine], stride, seed)
        left_out = int(peaks.count[index] - count)
        yield _Filter(unit, peaks.view[mine], place[mine], activation[mine], left_out, patterns)


def _peaks(task: BlockTask) -> LocalMaxima:
    """Find T of each unit and its strongest peaks above T."""
    counts = empty_histogram(task.stop - task.start)
    gathered = Gathered(counts)
    for _, _, _, maps in read_views(task):
        gathered.add(maps)
    gathered.flush()
    thresholds = upper_quantile(counts, task.plan.of(DissectionOptions).quantile)
    peaks = LocalMaxima.empty(task.stop - task.start)
    for _, views, maxima, maps in read_views(task):
        peaks = peaks.merge(LocalMaxima.of(maps, maxima, thresholds, views), MOST_PEAKS)
    return peaks


def _unit_rows(task: BlockTask, found: list[_Filter]) -> pa.Table:
    rows = [
        {
            "model": task.model.name,
            "layer": task.layer.name,
            "unit": part.unit,
            "peaks": len(part.view),
            "left_out": part.left_out,
            "patterns": part.patterns and part.patterns.patterns,
            "gaussians": part.patterns and part.patterns.gaussians,
            "gain": part.patterns and part.patterns.gain,
            "axes": part.patterns and part.patterns.axes,
            "reason": None if part.patterns else _reason(task, len(part.view)),
        }
        for part in found
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["unit_patterns"])


def _reason(task: BlockTask, peaks: int) -> str:
    if task.layer.height * task.layer.width == 1:
        return "maps of a single position have no peaks"
    return f"fewer than {FEWEST_PEAKS} peaks above T" if peaks else "no peak above T"


def _pattern_rows(task: BlockTask, part: _Filter) -> pa.Table:
    rows = [_row(task, part, pattern) for pattern in range(part.patterns.patterns if part.patterns else 0)]
    return pa.Table.from_pylist(rows, schema=TABLES["patterns"])


def _row(task: BlockTask, part: _Filter, pattern: int) -> dict[str, object]:
    mine = np.flatnonzero(part.patterns.labels == pattern) if part.patterns else np.empty(0, np.int64)
    image, place = task.plan.views.image[part.view[mine]], part.place[mine]
    mean = place.mean(axis=0)
    return {
        "model": task.model.name,
        "layer": task.layer.name,
        "unit": part.unit,
        "pattern": pattern,
        "peaks": len(mine),
        "share": len(mine) / len(part.view),
        "images": len(np.unique(image)),
        "mean_y": mean[0],
        "mean_x": mean[1],
        "spread": float(np.sqrt(((place - mean) ** 2).mean())),
        "mean_activation": float(part.activation[mine].mean(dtype=np.float64)),
        "top_images": [
            {
                "view": part.view[peak],
                "image": image[rank],
                "y": part.place[peak, 0],
                "x": part.place[peak, 1],
                "activation": part.activation[peak],
            }
            for rank, peak in _once_a_view(part.view, mine)
        ],
    }


def _once_a_view(view: np.ndarray, mine: np.ndarray) -> list[tuple[int, int]]:
    """Return rank and number of the strongest of these peaks, which come strongest first, of each view."""
    first = np.sort(np.unique(view[mine], return_index=True)[1])[:_LISTED]
    return [(int(rank), int(mine[rank])) for rank in first]


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the patterns of a model depend on, beside activations and features."""
    return {
        "quantile": plan.of(DissectionOptions).quantile,
        "unit_block": plan.options.unit_block,
        "most_peaks": MOST_PEAKS,
        "most_axes": MOST_AXES,
    }


def former(plan: Plan, model: PlannedModel, prints: Prints) -> Fingerprint:
    """Return the fingerprint of version 0.1, which held the activations a second time beside the features."""
    inputs = {name: prints.of(name, model).digest for name in ("extract", "local-features")}
    return Fingerprint(parameters(plan, model), inputs)


PATTERNS = StageKind(
    "patterns",
    reads=(MAPS, MAXIMA, FEATURES),
    writes=(Table("patterns"), Table("unit_patterns")),
    plan=by_units(cluster),
    parameters=parameters,
    former=former,
)
