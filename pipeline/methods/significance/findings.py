"""What a run says of labels against chance, and which of its numbers to trust."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.methods.significance.trust import trust


def headline(run: str | Path) -> pl.DataFrame:
    """Return the numbers of each layer beside what chance gives: units over 0.04, significant ones, replicating ones.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer), sorted, with the number of eligible concepts of each category as text; empty where the
        run has no significance.
    """
    layers = schemas.scan_layer_significance(run).sort("model", "layer").collect()
    if not layers.height:
        return pl.DataFrame()
    eligible = [", ".join(f"{e['concepts']} {e['category']}" for e in row) for row in layers["eligible"].to_list()]
    return layers.select(
        "model",
        "layer",
        pl.col("over_cutoff").alias("over 0.04"),
        pl.col("expected_by_chance").alias("by chance"),
        "significant",
        "replicating",
        pl.col("replicating_by_chance").alias("replicating by chance"),
        pl.Series("eligible concepts", eligible),
    )


def sentences(run: str | Path) -> list[str]:
    """Return for each layer which of its numbers to trust."""
    rows = schemas.scan_layer_significance(run).sort("model", "layer").collect().iter_rows(named=True)
    return [f"{row['model']} {row['layer']}: {trust(row)}" for row in rows]


FINDINGS = (
    Finding(
        "Labels against chance: permuted annotations, held-out images",
        ("layer_significance",),
        headline,
        note="By chance: the mean over 50 permutations of the annotations. Where a data set states groups, whole groups are "
        "permuted and held out.",
    ),
)

__all__ = ["FINDINGS", "headline", "sentences"]
