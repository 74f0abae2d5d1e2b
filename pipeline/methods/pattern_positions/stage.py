"""Stage `pattern-positions`: patterns of the crops that a graph is learned from, found on the crops held out from it.

Patterns are the baseline that nodes must beat: both are learned of the same crops, and neither of landmarks. A peak above T on
a held-out crop belongs to the pattern whose Gaussians make it likeliest; T, too, is that of the learning crops.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.activations.local_maxima import LocalMaxima
from filterscope.operators.activations.quantile import Gathered, empty_histogram, upper_quantile
from filterscope.operators.location.location_instability import field_centres
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.patterns.patterns import FEWEST_PEAKS, MOST_PEAKS, find_patterns
from filterscope.pipeline.engine.keys import Fingerprint, Key, blocks
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.dissection.anchors import grid_of
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.graph.crops import GraphViews, graph_categories
from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.patterns import cluster
from filterscope.pipeline.methods.patterns.local_features import FEATURES, read_features
from filterscope.pipeline.methods.tasks import BlockTask, each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Peaks of a unit that are kept on held-out crops.
_ALL = 2**62


@dataclass(frozen=True)
class CategoryTask(BlockTask):
    """A block of units on the crops of one category."""

    category: str


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the positions depend on, beside activations and features: how patterns are found, and on which crops."""
    graph = plan.of(GraphOptions)
    return {"graph_mode": graph.mode, "graph_heldout": graph.heldout, **cluster.parameters(plan, model)}


def former(plan: Plan, model: PlannedModel, prints: Prints) -> Fingerprint:
    """Return the fingerprint of version 0.1, which held that of `patterns` for its parameters; nothing of it is read."""
    graph = plan.of(GraphOptions)
    of_patterns = cluster.former(plan, model, prints)
    own = {"graph_mode": graph.mode, "graph_heldout": graph.heldout}
    return Fingerprint(own, {"patterns": of_patterns.digest})


def plan_positions(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model, layer, category and block of units."""
    tasks: dict[Key, CategoryTask] = {}
    for model, own in each_model(plan):
        for layer in model.layers:
            for category in graph_categories(plan):
                name = GraphViews.of(plan, category).name
                for block, start, stop in blocks("units", layer.channels, plan.options.unit_block):
                    key = key_of(kind, (model.name, layer.name, f"{name}-{block}"), model, prints)
                    tasks[key] = CategoryTask(key, own, model, layer, start, stop, category)
    return one(kind, tasks, position)


def position(task: CategoryTask) -> list[Output]:
    """Find the patterns of one block of units and write where they and the units' maxima lie on held-out crops."""
    rows = [TABLES["pattern_positions"].empty_table(), *_rows(task)]
    count, digest = write_table(task.plan.run, "pattern_positions", task.key.place, rows)
    return [Output(task.key, count, checksums={"pattern_positions": digest})]


@dataclass(frozen=True)
class _Crops:
    """What a block of U units does on the crops of a category, of which H are held out and not mirrored.

    Attributes
    ----------
    heldout : int64 ndarray of shape (H,)
        Numbers of the held-out crops.
    place, highest : float64 and float32 ndarrays of shape (H, U, 2) and (H, U)
        Where the maximum of each unit lies, NaN where its map is constant, and that value.
    learned, other : LocalMaxima
        The strongest peaks on the learning crops, and all on the held-out ones.
    """

    heldout: np.ndarray
    place: np.ndarray
    highest: np.ndarray
    learned: LocalMaxima
    other: LocalMaxima

    @classmethod
    def of(cls, task: CategoryTask) -> "_Crops":
        """Read the maps: for T, and for what lies above it."""
        views, units = GraphViews.of(task.plan, task.category), task.stop - task.start
        learning = views.view[views.learning(task.plan.of(GraphOptions).mode)]
        heldout = views.view[views.heldout & ~views.flip]
        counts = empty_histogram(units)
        gathered = Gathered(counts)
        for _, _, maps in _read(task, learning):
            gathered.add(maps)
        gathered.flush()
        thresholds = upper_quantile(counts, task.plan.of(DissectionOptions).quantile)
        seen, place, highest = [], [], []
        learned, other = LocalMaxima.empty(units), LocalMaxima.empty(units)
        for numbers, maxima, maps in _read(task, learning):
            learned = learned.merge(LocalMaxima.of(maps, maxima, thresholds, numbers), MOST_PEAKS)
        for numbers, maxima, maps in _read(task, heldout):
            other = other.merge(LocalMaxima.of(maps, maxima, thresholds, numbers), _ALL)
            seen.append(numbers)
            place.append(_maxima(task, maps))
            highest.append(maxima)
        if not seen:
            return cls(heldout[:0], np.empty((0, units, 2)), np.empty((0, units), np.float32), learned, other)
        return cls(np.concatenate(seen), np.concatenate(place), np.concatenate(highest), learned, other)


def _read(task: BlockTask, wanted: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield numbers, maxima (n, U) and maps (n, U, h, w) of those of the wanted views that were decoded, block by block."""
    store, span = ActivationStore(task.plan.run, task.model.name, task.layer.name), slice(task.start, task.stop)
    for _, start, stop in blocks("images", task.plan.view_count, task.plan.options.image_block):
        here = wanted[(wanted >= start) & (wanted < stop)]
        if len(here):
            maxima = store.read_maxima(start, stop, span)[here - start].astype(np.float32)
            seen = ~np.isnan(maxima[:, 0])
            yield here[seen], maxima[seen], store.read(start, stop, span)[(here - start)[seen]]


def _maxima(task: BlockTask, maps: np.ndarray) -> np.ndarray:
    """Return y and x of the first maximum of each map (n, U, h, w); NaN where it is constant."""
    flat = maps.reshape(*maps.shape[:2], maps.shape[2] * maps.shape[3])
    place = _centres(task, flat.argmax(axis=2))
    place[flat.max(axis=2) == flat.min(axis=2)] = np.nan
    return place


def _centres(task: BlockTask, position: np.ndarray) -> np.ndarray:
    return field_centres(position, task.layer.width, *grid_of(task.model, task.layer))


def _rows(task: CategoryTask) -> Iterator[pa.Table]:
    """Yield the rows of each unit itself and of its patterns."""
    crops = _Crops.of(task)
    learned, other = crops.learned, crops.other
    learned_features = read_features(task, learned.view, learned.position)
    other_features = read_features(task, other.view, other.position)
    learned_place, other_place = _centres(task, learned.position), _centres(task, other.position)
    for index, unit in enumerate(range(task.start, task.stop)):
        yield _table(task, unit, None, crops.heldout, crops.place[:, index], crops.highest[:, index])
        mine = _span(learned, index)
        if mine.stop - mine.start < FEWEST_PEAKS:
            continue
        seed = seed_of("patterns", task.category, task.model.architecture, task.model.weights_sha256,
                       task.layer.name, unit)  # fmt: skip
        stride = grid_of(task.model, task.layer)[1]
        found = find_patterns(learned_place[mine], learned_features[mine], stride, seed)
        theirs = _span(other, index)
        labels = found.assign(other_place[theirs], other_features[theirs])
        for pattern in range(found.patterns):
            usual = learned_place[mine][found.labels == pattern].mean(axis=0)
            belongs = np.arange(theirs.start, theirs.stop)[labels == pattern]
            yield _pattern(task, unit, pattern, crops, usual, belongs, other_place)


def _span(peaks: LocalMaxima, index: int) -> slice:
    return slice(*np.searchsorted(peaks.unit, [index, index + 1]).tolist())


def _pattern(
    task: CategoryTask, unit: int, pattern: int, crops: _Crops, usual: np.ndarray, peaks: np.ndarray, place: np.ndarray
) -> pa.Table:
    """Put a pattern at its strongest peak on each crop, and at its mean place where it has none."""
    where = np.broadcast_to(usual, (len(crops.heldout), 2)).copy()
    activation = np.full(len(crops.heldout), np.nan, np.float32)
    peaks = peaks[::-1]  # weakest first, so that the strongest of a view is written last
    at = np.searchsorted(crops.heldout, crops.other.view[peaks])
    for row, peak in zip(at.tolist(), peaks.tolist(), strict=True):
        where[row], activation[row] = place[peak], crops.other.value[peak]
    return _table(task, unit, pattern, crops.heldout, where, activation)


def _table(
    task: CategoryTask, unit: int, pattern: int | None, view: np.ndarray, place: np.ndarray, activation: np.ndarray
) -> pa.Table:
    count, scale = len(view), np.float32(task.plan.options.activation_scale)
    y, x, value = (np.asarray(part, np.float32) for part in (place[:, 0], place[:, 1], activation / scale))
    columns = {
        "model": [task.model.name] * count,
        "layer": [task.layer.name] * count,
        "category": [task.category] * count,
        "unit": np.full(count, unit, np.int32),
        "pattern": pa.nulls(count, pa.int32()) if pattern is None else np.full(count, pattern, np.int32),
        "view": view.astype(np.int32),
        "y": pa.array(y, mask=np.isnan(y)),
        "x": pa.array(x, mask=np.isnan(x)),
        "activation": pa.array(value, mask=np.isnan(value)),
    }
    return pa.table(columns, schema=TABLES["pattern_positions"])


POSITIONS = StageKind(
    "pattern-positions",
    reads=(MAPS, MAXIMA, FEATURES),
    writes=(Table("pattern_positions"),),
    plan=plan_positions,
    parameters=parameters,
    former=former,
)
