"""Whether nodes of explanatory graphs are steadier than patterns, the quick answer, on the same held-out crops."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.operators.localization.measures import interval
from filterscope.operators.location.location_instability import PROTOCOLS, crop_centre
from filterscope.operators.location.paired_spread import Spread, mean_spread, reduction, share_steadier, spread_of
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from filterscope.pipeline.datasets.layout import MANIFEST
from filterscope.pipeline.methods.graph.crops import graph_categories, graph_layers
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.sightings import open_sightings

_LEVEL = 0.05
_SURVEY = PROTOCOLS["survey"]

#: What is measured of a filter, in order.
_SERIES = ("raw", "patterns", "nodes", "patterns' own mean", "nodes' own mean", "crop centre")
_KEYS = ("model", "category", "landmark", "layer")
_BESIDE: dict[str, pl.DataType] = (
    dict.fromkeys(("model", "layer", "category", "landmark"), pl.String())
    | dict.fromkeys(("filters", "crops"), pl.Int64())
    | dict.fromkeys((*_SERIES, "less", "less_low", "less_high", "nodes win", "patterns win", "peaks"), pl.Float64())
)
_PATTERNS, _NODES = _SERIES.index("patterns"), _SERIES.index("nodes")


def nodes_beside_patterns(run: str | Path) -> pl.DataFrame:
    """Compare surviving nodes with the patterns of the same filters on the same crops, per category, landmark and layer.

    Crops are those held out from both, not mirrored, that show the landmark once: for each filter its 100 strongest, as in
    the protocol survey. Filters count that have a surviving node and patterns, each filter with the mean over its nodes and
    the mean over its patterns.

    Parameters
    ----------
    run : path
        A run with the methods graph and pattern-positions, on a data set with landmarks.

    Returns
    -------
    polars.DataFrame
        `filters` and held-out `crops` of them at most; mean instability of the filters themselves (`raw`), of `patterns`, of
        `nodes`, of patterns and nodes held at their mean positions on these crops, and of the crop's centre; `less`, by
        how much nodes scatter less than patterns, with a 95 % interval over source images; the shares of filters whose nodes
        scatter less than their patterns (`nodes win`) and the other way round (`patterns win`), p < .05 of a paired
        bootstrap; and the share of crops that have a peak of a pattern (`peaks`). Empty without landmarks or such rows.
    """
    plan = RunFolder.existing(run).plan()
    found = [beside(run, model.name, category) for model in plan.models for category in graph_categories(plan)]
    return pl.concat(found).sort(_KEYS) if found else pl.DataFrame(schema=_BESIDE)


def beside(run: str | Path, model: str, category: str) -> pl.DataFrame:
    """Return `nodes_beside_patterns` of one category of a model; empty, too, where the data set is no longer there."""
    plan = RunFolder.existing(run).plan()
    rows: list[tuple[object, ...]] = []
    if (plan.data / MANIFEST).is_file():
        planned = plan.model(model)
        rows += [row for layer in graph_layers(planned) for row in _rows(plan, planned, layer.name, category)]
    return pl.DataFrame(rows, schema=_BESIDE, orient="row").sort(_KEYS)


def scatter(run: str | Path, model: str, category: str) -> pl.DataFrame:
    """Return mean location instabilities of nodes, patterns and controls, after model to layer, filters and crops."""
    return beside(run, model, category).select(*_KEYS, "filters", "crops", *_SERIES)


def margins(run: str | Path, model: str, category: str) -> pl.DataFrame:
    """Return by how much nodes scatter less than patterns, and how often each wins, as in `nodes_beside_patterns`."""
    chance = pl.lit(_LEVEL).alias("by chance")
    found = beside(run, model, category)
    return found.select(*_KEYS, "less", "less_low", "less_high", "nodes win", "patterns win", chance)


def placed_patterns(run: str | Path, model: str, category: str) -> pl.DataFrame:
    """Return what of the patterns of a category's filters is found on held-out crops, one row per layer.

    Columns: model, category, layer, ``filters`` with patterns, ``patterns``, held-out ``crops``, the share of (pattern, crop)
    that has a peak above T (``with a peak``), and that share if each crop had a peak of a single pattern of its filter
    (``one each``).
    """
    names = [layer.name for layer in RunFolder.existing(run).plan().model(model).layers]
    rows = pl.concat([schemas.scan_layer(run, "pattern_positions", model, name) for name in names])
    patterns = rows.filter(pl.col("pattern").is_not_null(), category=category)
    filters = pl.struct("unit").n_unique()
    return (
        patterns.group_by("model", "category", "layer")
        .agg(
            filters.cast(pl.Int64).alias("filters"),
            pl.struct("unit", "pattern").n_unique().cast(pl.Int64).alias("patterns"),
            pl.col("view").n_unique().cast(pl.Int64).alias("crops"),
            pl.col("activation").is_not_null().mean().alias("with a peak"),
        )
        .with_columns((pl.col("filters") / pl.col("patterns")).alias("one each"))
        .sort("layer")
        .collect()
    )


def _rows(plan: Plan, model: PlannedModel, layer: str, category: str) -> Iterator[tuple[object, ...]]:
    filters = list(_filters(plan.run, model.name, layer, category))
    if not filters:
        return
    geometry = model.geometry(plan.options.geometry)
    sightings = open_sightings(plan.data, plan.data_identity, plan.options.view_settings, geometry)
    for stratum, (of, landmark) in enumerate(sightings.strata):
        if of != category:
            continue
        measured, images = [], np.unique(plan.views.group[filters[0].view], return_inverse=True)[1]
        weights = poisson_weights(len(images), seed_of("nodes_beside_patterns", "bootstrap"))
        for part in filters:
            place = sightings.places(stratum, part.view)
            rows = np.flatnonzero(~np.isnan(place[:, 0]) & ~np.isnan(part.raw[0, :, 0]))
            rows = rows[np.argsort(-part.highest[rows], kind="stable")][: _SURVEY.images]
            if len(rows) >= _SURVEY.fewest:
                series = part.series(rows, geometry.size)
                spread = spread_of(series, place[rows], images[rows], geometry.size, weights)
                measured.append((len(rows), spread, float(part.peaks[:, rows].mean())))
        if measured:
            yield model.name, layer, category, landmark, *_summary(*zip(*measured, strict=True))


def _summary(crops: Sequence[int], spreads: Sequence[Spread], peaks: Sequence[float]) -> tuple[float, ...]:
    mean = mean_spread(spreads)
    less, replicates = reduction(mean, _NODES, _PATTERNS)
    won = (share_steadier(spreads, *pair, _LEVEL) for pair in ((_NODES, _PATTERNS), (_PATTERNS, _NODES)))
    return (
        len(spreads),
        max(crops),
        *mean.instability.tolist(),
        less,
        *interval(replicates),
        *won,
        float(np.mean(peaks)),
    )


class _Filter:
    """Where a filter, its P patterns and its K surviving nodes lie on held-out crops: float64 of shape (..., n, 2)."""

    def __init__(self, view: np.ndarray, raw: pl.DataFrame, patterns: pl.DataFrame, nodes: pl.DataFrame) -> None:
        self.view = view
        self.raw = _places(raw, len(view))
        self.highest = raw["activation"].to_numpy()
        self.patterns, self.nodes = _places(patterns, len(view)), _places(nodes, len(view))
        self.peaks = patterns["activation"].is_not_null().to_numpy().reshape(-1, len(view))

    def series(self, rows: np.ndarray, extent: tuple[int, int]) -> list[np.ndarray]:
        """Return the positions of each series on some crops."""
        patterns, nodes = self.patterns[:, rows], self.nodes[:, rows]
        held = [np.broadcast_to(each.mean(axis=1, keepdims=True), each.shape) for each in (patterns, nodes)]
        centre = np.broadcast_to(crop_centre(extent), (1, len(rows), 2))
        return [self.raw[:, rows], patterns, nodes, *held, centre]


def _places(rows: pl.DataFrame, views: int) -> np.ndarray:
    return rows.select("y", "x").cast(pl.Float64).to_numpy().reshape(-1, views, 2)


def _filters(run: Path, model: str, layer: str, category: str) -> Iterator[_Filter]:
    """Yield the filters that have a surviving node and patterns."""
    mine = pl.col("category") == category
    positions = schemas.scan_layer(run, "pattern_positions", model, layer).filter(mine).collect()
    views = positions["view"].unique().sort()
    survivors = schemas.scan_layer(run, "graph_nodes", model, layer).filter(mine, "survives").select("unit", "node")
    nodes = (
        schemas.scan_layer(run, "node_positions", model, layer)
        .filter(mine, pl.col("view").is_in(views.implode()))
        .join(survivors, on=["unit", "node"], how="semi")
        .sort("unit", "node", "view")
        .collect()
    )
    positions = positions.sort("unit", "pattern", "view")
    of_nodes = nodes.partition_by("unit", as_dict=True)
    for key, rows in positions.partition_by("unit", as_dict=True, maintain_order=True).items():
        patterns = rows.filter(pl.col("pattern").is_not_null())
        if key in of_nodes and patterns.height:
            raw = rows.filter(pl.col("pattern").is_null())
            yield _Filter(raw["view"].to_numpy(), raw, patterns, of_nodes[key])


_TABLES = ("pattern_positions", "graph_nodes", "node_positions")

FINDINGS = (
    Finding(
        "Patterns on held-out crops",
        ("pattern_positions",),
        placed_patterns,
        per="category",
        note="A pattern lies at its strongest peak above T, or at its mean place where a crop has none; `one each` is the "
        "share with a peak if every crop had one pattern of each filter.",
    ),
    Finding(
        "Nodes beside patterns",
        _TABLES,
        scatter,
        per="category",
        look="heat",
        note="Mean location instability of surviving nodes and of the patterns of the same filters on the same held-out crops, "
        "beside the filters themselves (raw), both held at their mean places, and the crop's centre. Lower is steadier.",
    ),
    Finding(
        "What nodes gain over patterns",
        _TABLES,
        margins,
        per="category",
        note="By what share nodes scatter less, with a 95 % interval over source images, and the shares of filters of which "
        "nodes or patterns win with p < .05; were both alike, either would win as often as by chance.",
    ),
)

__all__ = ["FINDINGS", "beside", "margins", "nodes_beside_patterns", "placed_patterns", "scatter"]
