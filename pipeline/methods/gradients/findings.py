"""What gradients were computed, layer by layer; what they mean is for the methods that read them."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding


def coverage(run: str | Path) -> pl.DataFrame:
    """Return what gradients there are.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model and layer, in order of names: views with a gradient, different classes that were differentiated, the
        share of these views whose gradient is zero everywhere, and the smallest, median and largest of the largest
        magnitudes of the others.
    """
    largest = pl.col("largest").filter(pl.col("largest") > 0)
    found = schemas.scan_gradient_views(run).group_by("model", "layer").agg(
        pl.len().alias("views"),
        pl.col("class").n_unique().alias("classes"),
        (pl.col("largest") == 0).mean().alias("zero share"),
        largest.min().alias("smallest"),
        largest.median().alias("median"),
        largest.max().alias("largest"),
    )  # fmt: skip
    return found.sort("model", "layer").collect()


FINDINGS = (
    Finding(
        "Gradients of class scores with respect to maps: what was computed",
        ("gradient_views",),
        coverage,
        note="Magnitudes are the largest of a view. They depend on the scale of scores and maps, so layers and models cannot "
        "be ranked by them.",
    ),
)

__all__ = ["FINDINGS", "coverage"]
