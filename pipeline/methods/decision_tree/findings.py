"""What a run says of decision trees: how many modes there are, how true they are beside their controls, and what they show."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.decision_tree.study import KMEANS, RANDOM, ROOT, TREE
from filterscope.pipeline.methods.method import Finding

_KEYS = ("model", "layer", "category")
#: Nodes of the cut that is shown.
_SHOWN = 10
#: A linear head gives all images one gradient, up to rounding.
_ONE = 0.999999


def modes(run: str | Path) -> pl.DataFrame:
    """Return what trees were grown from and how many modes they found.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model, layer and category, sorted: the class that is explained and why; views of the category, those `left
        out`, `negatives`; `modes`, the nodes of the second layer, null where fewer than 10 views were left; `verdict`; the
        share of the score that gradient times map explains, `linear` and `pooled`.
    """
    left = pl.col("not_positive") + pl.col("no_gradient")
    verdict = (
        pl.when(pl.col("second").is_null())
        .then(pl.lit("too few views"))
        .when(pl.col("agreement") > _ONE)
        .then(pl.lit("one mode: the head is linear"))
        .when((pl.col("second") == 1) & (pl.col("negatives") == 0))
        .then(pl.lit("one mode, but no negatives"))
        .when(pl.col("second") == 1)
        .then(pl.lit("one mode"))
        .otherwise(pl.lit(""))
    )
    return (
        schemas.scan_decision_trees(run)
        .select(
            *_KEYS, "target", pl.col("target_by").alias("why"), "views", left.alias("left out"), "negatives",
            pl.col("second").alias("modes"), verdict.alias("verdict"), pl.col("linear_share").alias("linear"),
            pl.col("pooled_share").alias("pooled"),
        )
        .sort(_KEYS, nulls_last=True)
        .collect()
    )  # fmt: skip


def fitness(run: str | Path) -> pl.DataFrame:
    """Return how alike contributions and gradients times responses are at each cut; see `_beside`."""
    return _beside(run, "fitness")


def part_errors(run: str | Path) -> pl.DataFrame:
    """Return how far contributions of parts are from what silencing their filters takes; see `_beside`."""
    return _beside(run, "part_error")


def _beside(run: str | Path, measure: str) -> pl.DataFrame:
    """Return a measure of trees beside its controls.

    Parameters
    ----------
    run : path
        The run folder.
    measure : str
        A column of `decision_summary`.

    Returns
    -------
    polars.DataFrame
        One row per model, layer, category and cut, from the top: number of nodes; the measure of the tree, of the root alone,
        of a random tree of its shape and of k-means with as many clusters. Cuts without it are left out.
    """
    rows = schemas.scan_decision_summary(run).filter(pl.col(measure).is_not_null()).collect()
    keys = [*_KEYS, "cut", "nodes"]
    found = rows.filter(pl.col("grouping") == TREE).select(*keys, measure)
    root = found.filter(pl.col("cut") == ROOT).select(*_KEYS, pl.col(measure).alias("root"))
    found = found.join(root, on=_KEYS, how="left", nulls_equal=True)
    for grouping in (RANDOM, KMEANS):
        beside = rows.filter(pl.col("grouping") == grouping).select(*keys, pl.col(measure).alias(grouping))
        found = found.join(beside, on=keys, how="left", nulls_equal=True)
    return found.sort(*_KEYS, "nodes", "cut", nulls_last=True)


def nodes(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the nodes of the cut at ten, or of the nearest that there is, with their views nearest by gradient.

    Columns: model, layer, category, `mode` (the node's number), `size` in views, `fitness` and that of the `root`, `filters`
    that give most, `views`.
    """
    found = schemas.scan_layer(run, "decision_nodes", model, layer).collect()
    leaves = found.group_by(_KEYS).agg(pl.col("finest_nodes").max().alias("leaves"))
    root = found.filter(pl.col("parent").is_null()).select(*_KEYS, pl.col("fitness").alias("root"))
    at = pl.min_horizontal(pl.lit(_SHOWN), "leaves")
    return (
        found.join(leaves, on=_KEYS, nulls_equal=True)
        .join(root, on=_KEYS, nulls_equal=True)
        .filter(pl.col("level_nodes") <= at, pl.col("finest_nodes") >= at)
        .sort(*_KEYS, "views", "node", descending=[False, False, False, True, False], nulls_last=True)
        .select(
            *_KEYS, pl.col("node").alias("mode"), pl.col("views").alias("size"), "fitness", "root",
            pl.col("filters").list.head(5).cast(pl.List(pl.String)).list.join(", ").alias("filters"),
            pl.col("nearest").alias("views"),
        )
    )  # fmt: skip


def parts(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return what parts give to the scores of a node's views, as shares of the score: bars.

    Columns: model, layer, category, cut, mode, part, `share` of the score that the node says the part gave; `measured`, the
    share that is lost without the part's filters; `of filters`, the share of all assigned filters that the part has; for the
    second layer and the cut at ten.
    """
    keys = [*_KEYS, "view", "cut"]
    given = schemas.scan_layer(run, "decision_contributions", model, layer).filter(pl.col("kind") == "part")
    paths = schemas.scan_layer(run, "decision_paths", model, layer).select(*keys, "node", "score")
    filters = (
        schemas.scan_layer(run, "decision_trees", model, layer)
        .select(*_KEYS, pl.col("parts").alias("part"), pl.col("part_filters").alias("of filters"))
        .explode("part", "of filters")
        .with_columns(pl.col("of filters") / pl.col("of filters").sum().over(_KEYS))
    )
    tried = given.filter(pl.col("cut").is_in(["second layer", str(_SHOWN)]), pl.col("measured").is_not_null())
    return (
        tried.join(paths, on=keys, nulls_equal=True)
        .group_by(*_KEYS, "cut", pl.col("node").cast(pl.String).alias("mode"), pl.col("name").alias("part"))
        .agg(
            (pl.col("contribution") / pl.col("score")).mean().alias("share"),
            (pl.col("measured") / pl.col("score")).mean().alias("measured"),
            pl.len().alias("views"),
        )
        .join(filters, on=[*_KEYS, "part"], how="left", nulls_equal=True)
        .select(*_KEYS, "cut", "mode", "part", "share", "measured", "of filters", "views")
        .sort(*_KEYS, "cut", "mode", "part", nulls_last=True)
        .collect()
    )


_CONTROL = (
    "Fitness: 1 where a node's contributions are each view's own gradient times response. A tree says more than one mode where "
    "it is above the root, and more than any grouping where it is above the random tree and k-means."
)

FINDINGS = (
    Finding(
        "Decision modes of class scores",
        ("decision_trees", "pooled_gradients"),
        modes,
        note="Linear and pooled: median share of the score that gradient times map explains, before and after summing over "
        "positions; where they differ, places inside maps matter that trees do not see.",
    ),
    Finding("Fitness of decision trees: beside controls", ("decision_summary",), fitness, note=_CONTROL),
    Finding(
        "Errors of parts in decision trees: beside controls",
        ("decision_summary",),
        part_errors,
        note="Distance between what nodes say that parts gave and what silencing their filters takes, as a share of the score.",
    ),
    Finding(
        "Decision modes",
        ("decision_nodes",),
        nodes,
        per="layer",
        look="strips",
        note="The views of the tree's nodes at the cut of ten, nearest by gradient first, and the filters that contribute "
        "most. Fitness on their own views, beside that of the root on all.",
    ),
    Finding(
        "What parts give",
        ("decision_contributions", "decision_paths", "decision_trees"),
        parts,
        per="layer",
        look="bars",
        note="Share of the score that a node says the part's filters gave, beside what is lost when they are silenced, and the "
        "share of filters that the part has: what it would give if all filters gave alike.",
    ),
)

__all__ = ["FINDINGS", "fitness", "modes", "nodes", "part_errors", "parts"]
