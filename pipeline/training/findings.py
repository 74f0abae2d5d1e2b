"""What trainings came to, from the table `training`."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.training.recipe import HELDOUT, TRAIN
from filterscope.pipeline.training.registry import recipe


def last(run: str | Path, name: str | None = None) -> pl.DataFrame:
    """Return the measures of the last epoch of each training, over all labels.

    Returns
    -------
    polars.DataFrame
        One row per network and measure: model, recipe, epoch, metric, and the values train, heldout and control, the latter
        on held-out images; null where there is none.
    """
    rows = schemas.scan(run, "training").filter(pl.col("label").is_null())
    if name is not None:
        rows = rows.filter(pl.col("recipe") == name)
    rows = rows.filter(pl.col("epoch") == pl.col("epoch").max().over("model"))
    keys = ["model", "recipe", "epoch", "metric"]

    def of(split: str, column: str) -> pl.Expr:
        return pl.col(column).filter(pl.col("split") == split).first()

    return (
        rows.group_by(keys)
        .agg(
            of(TRAIN, "value").alias("train"),
            of(HELDOUT, "value").alias("heldout"),
            of(HELDOUT, "control").alias("control"),
        )
        .sort("model", "metric")
        .collect()
    )


def controls(rows: pl.DataFrame) -> list[str]:
    """Return what controls are, a sentence for each recipe of `last` that says something else."""
    return list(
        dict.fromkeys(f"control: {recipe(name).control}" for name in rows["recipe"].unique(maintain_order=True))
    )


__all__ = ["controls", "last"]
