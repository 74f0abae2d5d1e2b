"""What trainings came to, from the table `training`."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.training.recipe import HELDOUT, TRAIN


def last(run: str | Path, recipe: str | None = None) -> pl.DataFrame:
    """Return the measures of the last epoch of each training, over all labels.

    Returns
    -------
    polars.DataFrame
        A row for each network and measure: model, recipe, epoch, metric, and the values train, heldout and control, the
        latter of a constant answer on held-out images; null where there is none.
    """
    rows = schemas.scan(run, "training").filter(pl.col("label").is_null())
    if recipe is not None:
        rows = rows.filter(pl.col("recipe") == recipe)
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


__all__ = ["last"]
