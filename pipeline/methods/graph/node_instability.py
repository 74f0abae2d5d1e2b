"""Rows of `node_instability`: nodes and raw filters on held-out views, beside controls without evidence."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from filterscope.operators.explanatory_graph.controls import in_window, shuffled, strongest_views
from filterscope.operators.location.location_instability import (
    PROTOCOLS,
    Comparison,
    Protocol,
    Steadiness,
    columns_of,
    compare,
    crop_centre,
    steadiness,
)
from filterscope.operators.location.triggering import triggered_among
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from filterscope.pipeline.methods.graph.crops import GraphViews
from filterscope.pipeline.methods.graph.rows import Found
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.sightings import open_sightings
from filterscope.schemas.results import TABLES

#: Protocols that nodes are measured by.
NODE_PROTOCOLS = ("survey", "explanatory-graph")
_LEVEL = 0.05
#: Order of the baselines of nodes.
_CONTROLS = ("fixed", "own", "window", "shuffled", "raw")


@lru_cache(maxsize=2)
def _weights(images: int) -> np.ndarray:
    return poisson_weights(images, seed_of("node_instability", "bootstrap"))


def instability_rows(
    plan: Plan, model: PlannedModel, layer: Layer, views: GraphViews, found: Sequence[Found], seed: Callable[..., int]
) -> Iterator[pa.Table]:
    """Yield the rows of each filter's nodes and of the filter itself, landmark by landmark, protocol by protocol."""
    geometry = model.geometry(plan.options.geometry)
    sightings = open_sightings(plan.data, plan.data_identity, plan.options.view_settings, geometry)
    measured = views.heldout & ~views.flip
    groups = plan.views.group[views.view].astype(np.int64)
    measures = {}
    for stratum, (category, landmark) in enumerate(sightings.strata):
        if category == views.category:
            place = sightings.places(stratum, views.view)
            for name in NODE_PROTOCOLS:
                key = model.name, layer.name, views.category, landmark, name
                measures[key] = _Measure(PROTOCOLS[name], place, measured, groups, geometry.size, seed)
    for part in found:
        for key, measure in measures.items():
            yield _rows(key, part, part.kept, *measure.nodes(part))
            yield _rows(key, part, None, *measure.filter(part))


class _Measure:
    """One landmark and protocol."""

    def __init__(self, protocol: Protocol, place: np.ndarray, measured: np.ndarray, groups: np.ndarray,
                 extent: tuple[int, int], seed: Callable[..., int]) -> None:  # fmt: skip
        self.protocol, self.place, self.groups, self.extent, self.seed = protocol, place, groups, extent, seed
        unmarked = np.isnan(place[:, 0])
        self.allowed = measured & ~unmarked if protocol.landmark_first else measured
        self.refused = measured & unmarked if protocol.landmark_first else np.zeros_like(measured)

    def nodes(self, found: Found) -> tuple[Comparison, Steadiness, np.ndarray]:
        """Measure the nodes that stand for themselves beside the controls and their own filter; count views dropped."""
        kept, learned = found.kept, found.learned
        chosen, filled = strongest_views(learned.score[:, kept], self.allowed, self.protocol.images)
        nodes = np.arange(len(kept))[:, None]
        fires = filled.sum(axis=1) + (learned.score[self.refused][:, kept] > 0).sum(axis=0)
        position = learned.position[:, kept].transpose(1, 0, 2).astype(np.float64)[nodes, chosen]
        raw = found.raw[chosen]
        filled &= ~np.isnan(self.place[chosen, 0]) & ~np.isnan(raw[..., 0])
        mu, half = learned.nodes.mu[kept], learned.centres.half[kept]
        baselines = [
            np.broadcast_to(crop_centre(self.extent), position.shape),
            np.broadcast_to(mu[:, None], position.shape),
            in_window(mu, half, kept, found.views.view[chosen], self.seed(found.unit, "window") % 2**64),
            shuffled(position, filled, self.seed(found.unit, "shuffled")),
            raw,
        ]
        hits = found.triggered[:, kept].T[nodes, chosen]
        result, triggered = self._compared(position, chosen, filled, np.stack(baselines, axis=2), hits)
        return result, triggered, fires - result.images

    def filter(self, found: Found) -> tuple[Comparison, Steadiness, np.ndarray]:
        """Measure the filter itself, on its own strongest views; count views dropped, those of a constant map too."""
        score = found.maximum[:, None].astype(np.float32) - min(0.0, float(found.maximum.min())) + 1
        constant = np.isnan(found.raw[:, 0])
        score[constant] = 0
        chosen, filled = strongest_views(score, self.allowed, self.protocol.images)
        there = filled.sum(axis=1) + (self.allowed & constant).sum() + self.refused.sum()
        filled &= ~np.isnan(self.place[chosen, 0])
        centre = np.broadcast_to(crop_centre(self.extent), (*chosen.shape, 1, 2))
        hits = triggered_among(np.where(score[chosen, 0] > 0, found.maximum[chosen], np.nan))
        result, triggered = self._compared(found.raw[chosen], chosen, filled, centre, hits)
        return result, triggered, there - result.images

    def _compared(
        self, position: np.ndarray, chosen: np.ndarray, filled: np.ndarray, baselines: np.ndarray, hits: np.ndarray
    ) -> tuple[Comparison, Steadiness]:
        """Measure on the views chosen that are filled, and on those of them that are hits."""
        landmark = np.where(filled[..., None], self.place[chosen], np.nan)
        weights = _weights(self.protocol.images)
        return (
            compare(position, landmark, baselines, self.groups[chosen], self.extent, self.protocol, weights),
            steadiness(position, np.where(hits[..., None], landmark, np.nan), self.extent, self.protocol),
        )


def _rows(
    key: tuple[str, ...], found: Found, nodes: np.ndarray | None, result: Comparison, triggered: Steadiness,
    dropped: np.ndarray,
) -> pa.Table:  # fmt: skip
    count, none = len(result.images), pa.nulls(len(result.images), pa.float64())
    columns: dict[str, object] = {
        name: [value] * count
        for name, value in zip(("model", "layer", "category", "landmark", "protocol"), key, strict=True)
    }
    columns["unit"] = np.full(count, found.unit, np.int32)
    columns["node"] = pa.nulls(count, pa.int32()) if nodes is None else nodes.astype(np.int32)
    columns["survives"] = pa.nulls(count, pa.bool_()) if nodes is None else found.survives[nodes]
    columns |= {name: _nullable(values) for name, values in columns_of(result, triggered).items()}
    columns |= {"images": result.images.astype(np.int32), "dropped": dropped.astype(np.int32)}
    for number, name in enumerate(_CONTROLS):
        there = number < result.baselines.shape[1]
        columns[name] = _nullable(result.baselines[:, number]) if there else none
        columns[f"p_{name}"] = _nullable(result.p_value[:, number]) if there else none
    three = result.p_value[:, 1:4] if nodes is not None else np.ones((count, 1))
    columns["beats_controls"] = (three < _LEVEL).all(axis=1)
    schema = TABLES["node_instability"]
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))
