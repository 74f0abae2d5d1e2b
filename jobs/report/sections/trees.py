"""Decision trees as pages draw them: the nodes down to ten with mean crops and part bars, and how one view is parsed."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.jobs.report.render import kind
from filterscope.jobs.report.thumbnails import Look, images_at_hand
from filterscope.pipeline.methods.decision_tree.findings import fitness
from filterscope.pipeline.methods.decision_tree.study import KMEANS, RANDOM, ROOT, SECOND
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.schemas.dataset import CATEGORIES

#: Tables that these drawings show.
OWN = ("decision_trees", "decision_nodes", "decision_summary", "decision_paths", "decision_contributions")
#: Nodes of the finest cut that is drawn.
NODES = 10
#: Pixels from node to node across and down, and of a crop.
ACROSS, DOWN, CROP = 110, 66, 52

_KEYS = ["layer", "category"]
_QUALITY = 80


@dataclass(frozen=True)
class Node:
    """A node: where its crop lies, the line to its parent, what is written beside it, and its part bars.

    Attributes
    ----------
    number, views : int
        Its number and how many views it holds.
    x, y : float
        Left of its crop, and its middle.
    line : str
        Path data of the line to its parent; empty for the root.
    crop : str
        Address of its crop as data; empty where images are not at hand.
    fitness : float, optional
        Of the node on its views.
    bars : list of (str, str, float, float)
        Part, class of its colour, its share of the score, and the length of its bar.
    """

    number: int
    views: int
    x: float
    y: float
    line: str
    crop: str
    fitness: float | None
    bars: list[tuple[str, str, float, float]]


@dataclass(frozen=True)
class Tree:
    """A tree as it is drawn, the numbers of its cuts beside their controls, and the colour of each part."""

    layer: str
    category: str | None
    target: str
    nodes: list[Node]
    width: float
    height: float
    parts: list[tuple[str, str]]
    cuts: list[dict[str, Any]]


def trees_of(plan: Plan, model: PlannedModel, layer: str) -> list[Tree]:
    """Lay out the decision trees of a layer, one for each category."""
    nodes = schemas.scan_layer(plan.run, "decision_nodes", model.name, layer).collect()
    if not nodes.height:
        return []
    grown = schemas.scan_layer(plan.run, "decision_trees", model.name, layer).collect()
    cuts = fitness(plan.run).filter(pl.col("model") == model.name, pl.col("layer") == layer)
    trees = []
    for row in grown.sort("category").iter_rows(named=True):
        own = pl.col("category").eq_missing(pl.lit(row["category"], pl.String))
        shown = nodes.filter(own, pl.col("level_nodes") <= NODES)
        if shown.height:
            trees.append(_tree(plan, model, row, shown, cuts.filter(own).to_dicts()))
    return trees


def _tree(plan: Plan, model: PlannedModel, row: Mapping[str, Any], nodes: pl.DataFrame, cuts: Any) -> Tree:
    found = {node["node"]: node for node in nodes.iter_rows(named=True)}
    heights = _heights(found)
    score = _scores(plan.run, model.name, row["layer"])
    parts = [(name, _colour(n)) for n, name in enumerate(row["parts"] or [])]
    longest = max((abs(v) for node in found.values() for v in node["part_contributions"] or []), default=0.0)
    drawn = []
    for number, node in sorted(found.items(), reverse=True):
        x, y = (node["level_nodes"] - 1) * ACROSS, heights[number]
        above = found.get(node["parent"])
        line = ""
        if above is not None:
            end, top = (above["level_nodes"] - 1) * ACROSS + CROP, heights[above["node"]]
            line = f"M{end} {top:.1f}C{end + 50} {top:.1f} {x - 50} {y:.1f} {x} {y:.1f}"
        given = node["part_contributions"] or []
        bars = [
            (name, colour, value / score if score else value, 50 * abs(value) / longest if longest else 0.0)
            for (name, colour), value in zip(parts, given, strict=True)
        ]
        drawn.append(
            Node(number, node["views"], x, y, line, _crop(plan, model, node["nearest"]), node["fitness"], bars)
        )
    width = max(node.x for node in drawn) + CROP + 80
    height = DOWN * sum(_is_end(node, found) for node in found.values())
    return Tree(row["layer"], row["category"], row["target"], drawn, width, height, parts, cuts)


def _is_end(node: Mapping[str, Any], found: Mapping[int, Any]) -> bool:
    return node["left"] not in found


def _heights(found: Mapping[int, Mapping[str, Any]]) -> dict[int, float]:
    """Return how far down each node lies: its children's middle, and ends one below the other."""
    heights: dict[int, float] = {}
    waiting, ends = [max(found)], 0
    while waiting:
        number = waiting[-1]
        node = found[number]
        below = [] if _is_end(node, found) else [node["left"], node["right"]]
        left = [child for child in below if child not in heights]
        if left:
            waiting += left[::-1]
            continue
        waiting.pop()
        heights[number] = (ends + 0.5) * DOWN if not below else sum(heights[child] for child in below) / 2
        ends += not below
    return heights


def _scores(run: Path, model: str, layer: str) -> float:
    """Return the mean score of the views of a layer's trees, which contributions are shares of."""
    rows = schemas.scan_layer(run, "decision_paths", model, layer).filter(pl.col("cut") == ROOT)
    return float(rows.select(pl.col("score").mean()).collect().item() or 0.0)


def _crop(plan: Plan, model: PlannedModel, views: Sequence[int]) -> str:
    """Return the mean of some views as the address of a picture."""
    if not images_at_hand(plan) or not views:
        return ""
    from PIL import Image

    pictures = Look.of(plan, model).pictures(plan, sorted(views))
    mean = np.rint(pictures.astype(np.float64).mean(axis=0)).astype(np.uint8)
    sink = io.BytesIO()
    Image.fromarray(mean).resize((2 * CROP, 2 * CROP), Image.Resampling.BICUBIC).save(sink, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(sink.getvalue()).decode()}"


def _colour(number: int) -> str:
    return kind(CATEGORIES[number % len(CATEGORIES)])


@dataclass(frozen=True)
class Parse:
    """How a tree parses one view: a step for each cut from the root, and what gave to the score at each.

    Attributes
    ----------
    layer, category : str
        Of the tree.
    score : float
        What is explained.
    steps : list of dict
        A row for each cut: `cut`, `nodes`, `node`, `cosine`, `predicted`, `fitness` of the view, that of the `root`, and means
        over the run of the `tree`, a `random tree` and `k-means`.
    given : list of (str, list of dict)
        For each cut, the parts and then the filters: `kind`, `name`, `contribution`, what was `measured` without them and
        what the `root` says, with the lengths of their bars.
    open : str
        The cut to show first.
    tried : bool
        Whether filters of parts were silenced on the view.
    """

    layer: str
    category: str | None
    score: float
    steps: list[dict[str, Any]]
    given: list[tuple[str, list[dict[str, Any]]]]
    open: str
    tried: bool


def parses_of(run: Path, model: str, view: int) -> list[Parse]:
    """Return how the trees of a model parse a view; none where no tree holds it."""
    here = (pl.col("model") == model) & (pl.col("view") == view)
    paths = schemas.scan_decision_paths(run).filter(here).sort(*_KEYS, "nodes", nulls_last=True).collect()
    given = schemas.scan_decision_contributions(run).filter(here).collect().to_dicts()
    if not paths.height:
        return []
    means = {(r["layer"], r["category"], r["cut"]): r for r in fitness(run).filter(pl.col("model") == model).to_dicts()}
    found = []
    for key, rows in groupby(paths.to_dicts(), key=lambda row: (row["layer"], row["category"])):
        found.append(_parse(key, list(rows), means, [row for row in given if (row["layer"], row["category"]) == key]))
    return found


def _parse(key: tuple[str, str | None], rows: list[dict[str, Any]], means: Mapping[Any, Any], given: Any) -> Parse:
    root = rows[0]["fitness"]
    steps = []
    for row in rows:
        over = means.get((*key, row["cut"]), {})
        beside = {"tree": over.get("fitness"), RANDOM: over.get(RANDOM), KMEANS: over.get(KMEANS)}
        steps.append({**row, "root": root, **beside})
    by_root = {(row["kind"], row["name"]): row["contribution"] for row in given if row["cut"] == ROOT}
    cuts = []
    for step in steps:
        own = [row for row in given if row["cut"] == step["cut"]]
        own.sort(key=lambda row: (row["kind"] != "part", -abs(row["contribution"])))
        cuts.append((step["cut"], _barred([{**row, "root": by_root.get((row["kind"], row["name"]))} for row in own])))
    names = [cut for cut, _ in cuts]
    tried = any(row["measured"] is not None for row in given)
    return Parse(*key, rows[0]["score"], steps, cuts, SECOND if SECOND in names else names[0], tried)


def _barred(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each row its bars, of one scale to 100, and how far any of them goes to the left."""
    names = ("contribution", "measured", "root")
    values = [row[name] for row in rows for name in names if row[name] is not None]
    longest = max(map(abs, values), default=0.0)
    scale = 100 / longest if longest > 0 else 0.0
    left = min(0.0, *(scale * value for value in values)) if values else 0.0
    bars = [{name: None if row[name] is None else round(scale * row[name], 1) for name in names} for row in rows]
    return [{**row, "bars": own, "left": round(left, 1)} for row, own in zip(rows, bars, strict=True)]


__all__ = ["NODES", "OWN", "Node", "Parse", "Tree", "parses_of", "trees_of"]
