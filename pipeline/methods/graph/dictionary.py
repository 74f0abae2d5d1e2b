"""The explanatory graph as a dictionary: patches of a node, heat map and parse of an image, patterns per filter.

What the survey shows in figures 3 to 6, as functions over the tables of a run.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.operators.explanatory_graph.heat import heat_map
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.decode import decode_images


@dataclass(frozen=True)
class Patch:
    """A piece of the network input about a node's position.

    Attributes
    ----------
    view, image : int
        View that it is from, and its image.
    score : float
        Of the node there.
    box : tuple of int
        y0, x0, y1, x1 in input pixels, y1 and x1 outside.
    pixels : uint8 ndarray of shape (y1 - y0, x1 - x0, 3)
        The piece.
    """

    view: int
    image: int
    score: float
    box: tuple[int, int, int, int]
    pixels: np.ndarray


def top_patches(
    run: str | Path, category: str, layer: str, unit: int, node: int, *, model: str | None = None, count: int = 9
) -> list[Patch]:
    """Return the pieces of images on which a node scores highest, cut by its receptive field, best first.

    Raises
    ------
    InputError
        If there is no such node, or it stands for no positions because it was merged.
    """
    plan, planned = _plan(run, model)
    field = next((item.field for item in planned.layers if item.name == layer), None)
    rows = _positions(run, category, planned).filter(layer=layer, unit=unit, node=node).collect()
    if field is None or not rows.height:
        raise InputError(f"no positions of node {layer}/{unit}/{node} for {category!r}; merged nodes have none")
    best = rows.filter(pl.col("score") > 0).sort("score", "view", descending=[True, False]).head(count)
    pixels = view_pixels(plan, planned, best["view"].to_list())
    patches = []
    for row, picture in zip(best.iter_rows(named=True), pixels, strict=True):
        y0, x0, y1, x1 = field_box((row["y"], row["x"]), field.size, picture.shape[:2])
        image = int(plan.views.image[row["view"]])
        patches.append(Patch(row["view"], image, row["score"], (y0, x0, y1, x1), picture[y0:y1, x0:x1]))
    return patches


def field_box(
    position: tuple[float, float], field: tuple[int, int], extent: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the box of a receptive field about a position, clipped to the input: y0, x0, y1, x1 in input pixels."""
    (y0, y1), (x0, x1) = (
        (max(round(at - size / 2), 0), min(round(at + size / 2), side))
        for at, size, side in zip(position, field, extent, strict=True)
    )
    return y0, x0, y1, x1


def view_heat_map(
    run: str | Path, category: str, layer: str, view: int, *, model: str | None = None, share: float = 0.5
) -> np.ndarray:
    """Return the heat map of a view: the top half of a layer's nodes there, each as wide as its deformation."""
    plan, planned = _plan(run, model)
    rows = _on_view(run, category, planned, view).filter(layer=layer).sort("unit", "node").collect()
    position = rows.select("y", "x").to_numpy().astype(np.float64)
    score, deformation = (rows[name].to_numpy().astype(np.float64) for name in ("score", "deformation"))
    return heat_map(position, score, deformation, planned.geometry(plan.options.geometry).size, share)


def parse(run: str | Path, category: str, view: int, *, model: str | None = None) -> pl.DataFrame:
    """Return the surviving nodes that a view triggers, layer by layer, of highest score first, with their upper nodes.

    Columns: layer, unit, node, y, x, score, and `upper`, how many of its upper nodes the view triggers too.
    """
    _, planned = _plan(run, model)
    hits = _on_view(run, category, planned, view).filter("triggered", "survives")
    hits = hits.select("layer", "unit", "node", "y", "x", "score")
    edges = schemas.scan_graph_edges(run).filter(model=planned.name, category=category)
    above = hits.select(pl.col("layer", "unit", "node").name.prefix("upper_"))
    keys = ["layer", "unit", "node"]
    tied = edges.join(above, on=list(above.collect_schema()), how="semi").group_by(keys).len("upper")
    found = hits.join(tied, on=keys, how="left").with_columns(pl.col("upper").fill_null(0))
    return found.sort("layer", "score", "unit", "node", descending=[False, True, False, False]).collect()


def patterns_per_filter(run: str | Path, category: str, *, model: str | None = None) -> pl.DataFrame:
    """Return how many filters of each layer mix how many patterns: layer, patterns (surviving nodes), filters."""
    _, planned = _plan(run, model)
    nodes = schemas.scan_graph_nodes(run).filter(model=planned.name, category=category)
    of_filter = nodes.group_by("layer", "unit").agg(pl.col("survives").sum().alias("patterns"))
    return of_filter.group_by("layer", "patterns").len("filters").sort("layer", "patterns").collect()


def _plan(run: str | Path, model: str | None) -> tuple[Plan, PlannedModel]:
    plan = RunFolder.existing(run).plan()
    names = [item.name for item in plan.models]
    if (model is None and len(names) > 1) or (model is not None and model not in names):
        raise InputError(f"model: received {model!r}; expected one of {', '.join(names)}")
    return plan, plan.model(model or names[0])


def _positions(run: str | Path, category: str, planned: PlannedModel) -> pl.LazyFrame:
    return schemas.scan_node_positions(run).filter(model=planned.name, category=category)


def _on_view(run: str | Path, category: str, planned: PlannedModel, view: int) -> pl.LazyFrame:
    keys = ["layer", "unit", "node"]
    nodes = schemas.scan_graph_nodes(run).filter(model=planned.name, category=category)
    rows = _positions(run, category, planned).filter(view=view)
    return rows.join(nodes.select(*keys, "deformation", "survives"), on=keys)


def view_pixels(plan: Plan, planned: PlannedModel, views: list[int]) -> np.ndarray:
    """Return views as a model sees them, uint8 of shape (views, height, width, 3)."""
    from filterscope.pipeline.datasets.layout import Dataset

    windows = [plan.views.window(view) for view in views]
    geometry = planned.geometry(plan.options.geometry)
    return decode_images(Dataset(plan.data), plan.views.image[views], geometry, windows).pixels


__all__ = ["Patch", "field_box", "parse", "patterns_per_filter", "top_patches", "view_heat_map", "view_pixels"]
