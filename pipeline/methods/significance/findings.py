"""What a run says of labels against chance, and which of its numbers to trust."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding


def headline(run: str | Path) -> pl.DataFrame:
    """Return four numbers per layer: units over 0.04, those expected by chance, significant ones, replicating ones.

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
        pl.col("expected_by_chance").round(1).alias("expected by chance"),
        "significant",
        "replicating",
        pl.Series("eligible concepts", eligible),
    )


def trust(over: int, by_chance: float, significant: int) -> str:
    """Say which of a layer's numbers to trust."""
    if not over and not significant:
        return "no unit is over 0.04: there is no label to trust"
    if not significant:
        return (
            f"trust none of the {over} labels over 0.04: {by_chance:.0f} are expected by chance, and no unit stands out"
        )
    if by_chance > 0.05 * over:
        return (
            f"trust the {significant} significant units, most of all those that replicate; of the {over} over 0.04, "
            f"{by_chance:.0f} are expected by chance"
        )
    return f"0.04 holds here: {by_chance:.1f} of the {over} units over it are expected by chance"


FINDINGS = (Finding("Labels against chance: permuted annotations, held-out images", ("layer_significance",), headline),)

__all__ = ["FINDINGS", "headline", "trust"]
