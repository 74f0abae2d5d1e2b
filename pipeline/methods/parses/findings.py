"""What a run says of parses: whether they tell categories apart, whether they are steady, and what their leaves carry."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

_KEYS = ["model", "layer"]


def summary(run: str | Path) -> pl.DataFrame:
    """Return how boxes are parsed, beside controls.

    Returns
    -------
    polars.DataFrame
        One row per model, layer and category, sorted, that of all categories first; empty if the run has none.
    """
    rows = schemas.scan(run, "parse_summary").with_columns(pl.col("category").fill_null("(all)"))
    return rows.sort(*_KEYS, "category").select(
        *_KEYS, "category", "boxes", "accuracy", pl.col("accuracy_pooled").alias("pooled"), "constant",
        pl.col("mean_leaves").alias("leaves per box"), "entropy", pl.col("entropy_null").alias("entropy by chance"),
        "deletion", pl.col("deletion_random").alias("random deletion"),
        pl.col("flip_agreement").alias("flips agree"), pl.col("flip_chance").alias("other flips"),
        pl.col("seed_agreement").alias("seeds agree"), pl.col("seed_chance").alias("other boxes"),
    ).collect()  # fmt: skip


def trees(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the most frequent trees of each category of a layer, each drawn on a box.

    Columns: model, layer, category, tree, share, `elsewhere`, its share in other categories, margin, `predicted` and the
    picture, a PNG.
    """
    shared = schemas.scan_layer(run, "parse_trees", model, layer).select("category", "tree", "share_others")
    rows = schemas.scan_layer(run, "parse_pictures", model, layer).join(shared, on=["category", "tree"], how="left")
    return rows.sort("category", "rank").select(
        *_KEYS, "category", "tree", "share", pl.col("share_others").alias("elsewhere"), "margin", "predicted", "picture"
    ).collect()  # fmt: skip


def leaves(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the leaves of each category of a layer, the most frequent first; columns as in `parse_nodes`."""
    rows = schemas.scan_layer(run, "parse_nodes", model, layer)
    return rows.sort("category", "share", "y", "x", "height", "width", descending=[False, True, *[False] * 4]).select(
        *_KEYS, "category", "y", "x", "height", "width", "share", "mean_score", "deletion",
        pl.col("deletion_random").alias("random deletion"), "landmark", "inside",
        pl.col("inside_any").alias("inside anyway"), "instability", "fixed",
    ).collect()  # fmt: skip


def sure(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return how sure the parses of a layer are.

    Columns: model, layer, `category predicted`, `right`, whether it is true, boxes, and means of score, margin and `cuts deep`.
    """
    rows = schemas.scan_layer(run, "parses", model, layer).with_columns(
        pl.when(pl.col("predicted") == pl.col("category")).then(pl.lit("yes")).otherwise(pl.lit("no")).alias("right")
    )
    found = rows.group_by(*_KEYS, pl.col("predicted").alias("category predicted"), "right").agg(
        pl.len().alias("boxes"), *(pl.col(name).sort().mean() for name in ("score", "margin")),
        pl.col("depth").mean().alias("cuts deep"),
    )  # fmt: skip
    return found.sort(*_KEYS, "category predicted", "right").collect()


_NOTE = (
    "Held-out boxes, parsed by the best tree of an And-Or graph over a grid. Pooled: a linear head on the whole box. Entropy "
    "is of the trees of a category, by chance with categories permuted. A leaf matters if deleting it costs more than other "
    "rectangles of as many cells do; agreement is beside that with another box of the category."
)
_DRAWN = (
    "Of each category the most frequent trees, each on its box of largest margin; elsewhere: share in other categories."
)
_LEAVES = (
    "Rows and columns are cells of the grid. Inside: share of the boxes parsed so in which the landmark lies in the leaf; "
    "inside anyway: of all boxes of the category. Where both are alike, the leaf says nothing of the part."
)

FINDINGS = (
    Finding("Parses of boxes", ("parse_summary",), summary, note=_NOTE),
    Finding("Trees drawn on boxes", ("parse_pictures", "parse_trees"), trees, per="layer", look="wall", note=_DRAWN),
    Finding("Leaves of parses", ("parse_nodes",), leaves, per="layer", note=_LEAVES),
    Finding(
        "How sure parses are",
        ("parses",),
        sure,
        per="layer",
        note="Margin: what the best parse scores above the best other.",
    ),
)

__all__ = ["FINDINGS", "leaves", "summary", "sure", "trees"]
