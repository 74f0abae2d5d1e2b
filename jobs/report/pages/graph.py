"""Pages of categories: the most used nodes of an explanatory graph as a layered picture, their patches, parses of images."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from filterscope import schemas
from filterscope.jobs.report.declared import declared
from filterscope.jobs.report.pictures import shown_images
from filterscope.jobs.report.place import Place, ReportPlace, graph_place
from filterscope.jobs.report.render import slug, url, write_page
from filterscope.jobs.report.sections.cells import About
from filterscope.jobs.report.sections.graph_layout import layered
from filterscope.jobs.report.sections.graph_pictures import write_pictures
from filterscope.jobs.report.sections.section import sections_of
from filterscope.jobs.report.tables import TableFiles
from filterscope.pipeline.methods.comparison.sides import STAND
from filterscope.pipeline.methods.graph.crops import graph_layers
from filterscope.pipeline.methods.significance.findings import labels
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.places import write_atomically

#: Tables that the page of a category shows where it has a graph, beside those of its findings.
OWN = (
    "units",
    "unit_significance",
    "unit_concept",
    "graph_nodes",
    "graph_edges",
    "node_positions",
    "graph_summary",
    "views",
)
#: Nodes in a picture at most, and ties that are drawn from each of them.
NODES, TIES = 120, 3
#: Nodes that a reader may ask for, at most; and those that a picture begins with.
STEPS, FIRST = (12, 24, 36, 48, 72, 96, 120), 24
#: Images that a page parses.
PARSES = 8
#: Classes of colours of the layers, from the top.
COLOURS = ("object", "texture", "scene", "color", "part", "material")

_KEY = ["layer", "unit", "node"]


@dataclass(frozen=True)
class GraphPage:
    """One category in one model."""

    model: PlannedModel
    category: str


@dataclass(frozen=True)
class Graph:
    """What a page shows of a graph.

    Attributes
    ----------
    layers : list of dict
        From the top: name, and how many nodes stand for themselves, survive and are shown.
    nodes : polars.DataFrame
        The nodes shown, layer by layer from the top, most used first; `place` is the number of the row, and a picture of n
        nodes of each layer holds those whose `rank` is below n.
    ties : polars.DataFrame
        Ties between nodes shown, heaviest first for each: `place`, `upper_place`, weight, displacement, deviation, together.
    outside : dict
        Ties of each node that lead to nodes that are not shown.
    """

    layers: list[dict[str, Any]]
    nodes: pl.DataFrame
    ties: pl.DataFrame
    outside: dict[int, int]


def categories_of(plan: Plan, tables: TableFiles) -> list[GraphPage]:
    """Return the categories that a run says something of, model by model: in tables that findings are about."""
    names = dict.fromkeys(finding.tables[0] for _, finding in declared("category"))
    pages = []
    for model in plan.models:
        found = [_categories(plan, model, name) for name in names if tables.has(name, model.name)]
        categories = sorted({category for some in found for category in some})
        pages += [GraphPage(model, category) for category in categories]
    return pages


def _categories(plan: Plan, model: PlannedModel, table: str) -> list[str]:
    rows = pl.concat([schemas.scan_layer(plan.run, table, model.name, layer.name) for layer in model.layers])
    return rows.select(pl.col("category").unique()).drop_nulls().collect()["category"].to_list()


def read_graph(run: Path, model: PlannedModel, category: str, most: int = NODES) -> Graph:
    """Choose the surviving nodes that a picture shows, of each layer as many.

    Half of them are those that most crops trigger, the others those to which most nodes shown of lower layers are tied.
    """
    here = (pl.col("model") == model.name) & (pl.col("category") == category)
    everything = schemas.scan_graph_nodes(run).filter(here, pl.col("merged_into").is_null()).collect()
    edges = schemas.scan_graph_edges(run).filter(here).collect()
    names = [layer.name for layer in graph_layers(model) if everything.filter(layer=layer.name).height]
    each, chosen = most // max(len(names), 1), everything.clear().with_columns(pl.lit(None, pl.Int32).alias("rank"))
    for name in reversed(names):
        below = edges.join(chosen, on=_KEY, how="semi").select(pl.col(f"upper_{key}").alias(key) for key in _KEY)
        chosen = pl.concat([chosen, ranked(everything.filter("survives", layer=name), below, each)])
    rows = pl.DataFrame({"layer": names, "row": range(len(names))}, {"layer": pl.String, "row": pl.Int32})
    ordered = chosen.join(rows, on="layer").sort("row", *_USED, descending=[False, *_FALLING])
    nodes = ordered.with_row_index("place")
    places = nodes.select(*_KEY, pl.col("place").cast(pl.Int32))
    above = places.select(pl.all().name.prefix("upper_"))
    ties = edges.join(places, on=_KEY).join(above, on=[f"upper_{key}" for key in _KEY], how="left")
    shown = ties.drop_nulls("upper_place").sort("place", "weight", "upper_place", descending=[False, True, False])
    outside = dict(ties.filter(pl.col("upper_place").is_null()).group_by("place").len().iter_rows())
    counts = [everything.filter(layer=name) for name in names]
    layers = [
        {
            "layer": name,
            "nodes": part.height,
            "surviving": part["survives"].sum(),
            "shown": nodes.filter(layer=name).height,
        }
        for name, part in zip(names, counts, strict=True)
    ]
    return Graph(layers, nodes, shown, outside)


#: Order of use: images that trigger a node, then its mean score.
_USED, _FALLING = ("images", "mean_score", "unit", "node"), (True, True, False, False)


def ranked(surviving: pl.DataFrame, below: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return `count` surviving nodes of a layer with their `rank`, given the upper ends of the ties of nodes chosen below."""
    ordered = surviving.sort(*_USED, descending=list(_FALLING))
    used = ordered.head(count - count // 2)
    tied = below.group_by(_KEY).len("tied")
    rest = ordered.join(used, on=_KEY, how="anti").join(tied, on=_KEY, how="left")
    rest = rest.sort(pl.col("tied").fill_null(0), *_USED, descending=[True, *_FALLING]).drop("tied").head(count // 2)
    # one of either kind in turn, so that a picture of fewer nodes holds as many of both
    turn = [
        part.with_columns((2 * pl.int_range(pl.len()) + late).alias("rank")) for late, part in enumerate((used, rest))
    ]
    return pl.concat(turn).with_columns(pl.col("rank").rank("ordinal").cast(pl.Int32) - 1)


def write_graph(where: ReportPlace, page: GraphPage) -> int:
    """Write the page of a category and, where it has a graph, its data and its pictures."""
    model, category = page.model, page.category
    graph = read_graph(where.plan.run, model, category)
    learned = bool(graph.layers)
    about = About(where, model.name, category=category)
    write_page(
        where.site,
        graph_place(model.name, category),
        "graph.html",
        run=str(where.plan.run),
        model=model,
        category=category,
        sections=sections_of("category", OWN if learned else (), about),
        **(_drawn(where, page, graph) if learned else {"graph": None}),
    )
    return 1


def _drawn(where: ReportPlace, page: GraphPage, graph: Graph) -> dict[str, Any]:
    """Write the data and the pictures of a graph, and return what its page says."""
    plan, model, category = where.plan, page.model, page.category
    place = graph_place(model.name, category)
    parses = _parses(plan, model, category, graph)
    pictures = write_pictures(where, model, category, graph.nodes, [parse["view"] for parse in parses])
    data = _data(where, page, graph, parses, pictures)
    text = f"filterscope.graph({json.dumps(data, separators=(',', ':'), allow_nan=False)});\n"
    write_atomically(where.site.joinpath(*place[:-1], _script(place)), text.encode())
    return {
        "graph": graph,
        "rows": _listed(graph, data),
        "parses": data["parses"],
        "script": url(_script(place)),
        "drawn": TIES,
        "steps": [len(step["places"]) for step in data["steps"]],
        "first": data["first"],
    }


def _script(place: Place) -> str:
    return place[-1].removesuffix(".html") + ".js"


def _listed(graph: Graph, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the layers with their nodes as the list beside the picture has them."""
    return [
        {**layer, "colour": _colour(n), "listed": [node for node in data["nodes"] if node["layer"] == n]}
        for n, layer in enumerate(graph.layers)
    ]


def _colour(row: int) -> str:
    return COLOURS[row % len(COLOURS)]


def _data(
    where: ReportPlace, page: GraphPage, graph: Graph, parses: list[dict[str, Any]], pictures: list[int] | None
) -> dict[str, Any]:
    """Return all that the page's script draws."""
    named, landmarks = _labels(where.plan.run, page.model), _landmarks(where.plan.run, page)
    steps = steps_of(graph)
    nodes = [
        {
            "place": row["place"],
            "layer": row["row"],
            "unit": row["unit"],
            "node": row["node"],
            "rank": row["rank"],
            "images": row["images"],
            "share": row["share"],
            "deformation": row["deformation"],
            "mu": [row["mu_y"], row["mu_x"]],
            "label": named.get((row["layer"], row["unit"])),
            "landmark": landmarks.get((row["layer"], row["unit"], row["node"])),
            "outside": graph.outside.get(row["place"], 0),
            "patches": pictures[row["place"]] if pictures is not None else 0,
        }
        for row in graph.nodes.iter_rows(named=True)
    ]
    shown, geometry = frozenset(shown_images(where)), page.model.geometry(where.plan.options.geometry)
    return {
        "folder": url(*graph_place(page.model.name, page.category)[:-1], slug(page.category)),
        "layers": [
            {
                "name": layer["layer"],
                "colour": _colour(n),
                "page": url("m", page.model.name, layer["layer"])
                if (page.model.name, layer["layer"]) in where.layers
                else None,
            }
            for n, layer in enumerate(graph.layers)
        ],
        "nodes": nodes,
        "ties": list(graph.ties.select("place", "upper_place", "weight", "together").iter_rows()),
        "steps": steps,
        "first": max((n for n, step in enumerate(steps) if len(step["places"]) <= FIRST), default=0),
        "parses": [{**parse, "pictured": pictures is not None, "opens": parse["image"] in shown} for parse in parses],
        "input": list(geometry.size),
        "seen": geometry.mask_key,
    }


def steps_of(graph: Graph) -> list[dict[str, Any]]:
    """Lay out pictures of fewer to more nodes, of every layer as many; a smaller picture's nodes are in the larger ones.

    Returns
    -------
    list of dict
        For each picture: `places` of its nodes, `at` (x, y) in pixels where each stands, `ties` that are drawn (places in
        `graph.ties`: the heaviest of each node that lead to nodes of the picture).
    """
    ties = graph.ties.with_row_index("tie")
    found: list[dict[str, Any]] = []
    for most in STEPS:
        nodes = graph.nodes.filter(pl.col("rank") < most // max(len(graph.layers), 1))
        if not nodes.height or (found and nodes.height == len(found[-1]["places"])):
            continue
        places = nodes["place"].cast(pl.Int32).to_list()
        inside = ties.filter(pl.col("place").is_in(places), pl.col("upper_place").is_in(places))
        drawn = inside.group_by("place", maintain_order=True).head(TIES)
        number = {place: n for n, place in enumerate(places)}
        pairs = [(number[low], number[high]) for low, high in drawn.select("place", "upper_place").iter_rows()]
        at = layered(nodes["row"].to_list(), pairs).tolist()
        found.append({"places": places, "at": at, "ties": drawn["tie"].to_list()})
    return found


def _labels(run: Path, model: PlannedModel) -> dict[tuple[str, int], str]:
    """Return the labels of units of a model that stand."""
    units = labels(run).filter(pl.col("standing").is_in(STAND), model=model.name)
    return {(layer, unit): name for layer, unit, name in units.select("layer", "unit", "concept").iter_rows()}


def _landmarks(run: Path, page: GraphPage) -> dict[tuple[str, int, int], str]:
    """Return the landmark about which a node is steadier than its controls, by every protocol; the steadiest of several."""
    measured = schemas.scan_node_instability(run).filter(model=page.model.name, category=page.category)
    steady = (
        measured.group_by(*_KEY, "landmark")
        .agg(pl.col("beats_controls").all(), pl.col("instability").mean())
        .filter("beats_controls")
        .sort("instability", "landmark")
        .unique(_KEY, keep="first", maintain_order=True)
        .collect()
    )
    return {(row[0], row[1], row[2]): row[3] for row in steady.select(*_KEY, "landmark").iter_rows()}


def _parses(plan: Plan, model: PlannedModel, category: str, graph: Graph) -> list[dict[str, Any]]:
    """Return what some images trigger, from the one that triggers most of the nodes shown to one that triggers fewest."""
    positions = schemas.scan_node_positions(plan.run).filter(model=model.name, category=category)
    here = graph.nodes.lazy().select(*_KEY, "place")
    hits = (
        positions.filter("triggered")
        .join(here, on=_KEY)
        .select("view", "place", "y", "x", "score", "heldout")
        .collect()
    )
    views_of_run = schemas.scan_views(plan.run).filter(~pl.col("flip")).select("view", "image").collect()
    hits = hits.join(views_of_run, on="view")
    ranked = hits.group_by("view").len().sort("len", "view", descending=[True, False])["view"].to_list()
    views = _evenly(ranked, PARSES)
    surviving = schemas.scan_graph_nodes(plan.run).filter("survives", model=model.name, category=category)
    triggered = positions.filter("triggered", pl.col("view").is_in(pl.Series(views, dtype=pl.Int32).implode()))
    counts = dict(triggered.join(surviving.select(_KEY), on=_KEY).group_by("view").len().collect().iter_rows())
    of_view = {view: part for (view,), part in hits.sort("place").group_by("view", maintain_order=True)}
    return [
        {
            "view": view,
            "image": of_view[view]["image"][0],
            "heldout": of_view[view]["heldout"][0],
            "surviving": counts[view],
            "hits": [
                [place, round(y, 1), round(x, 1)] for place, y, x in of_view[view].select("place", "y", "x").iter_rows()
            ],
        }
        for view in views
    ]


def _evenly(ranked: Sequence[int], count: int) -> list[int]:
    """Return `count` of a ranking at even steps, its first and its last among them."""
    if len(ranked) <= count:
        return list(ranked)
    return [ranked[round(n * (len(ranked) - 1) / (count - 1))] for n in range(count)]


__all__ = [
    "NODES",
    "OWN",
    "PARSES",
    "TIES",
    "Graph",
    "GraphPage",
    "categories_of",
    "read_graph",
    "steps_of",
    "write_graph",
]
