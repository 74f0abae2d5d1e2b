"""What a run says about what units react to: empirical receptive fields beside the theoretical ones, layer by layer."""

from pathlib import Path

import polars as pl

from filterscope import schemas


def fields_summary(run: str | Path) -> pl.DataFrame:
    """Summarise empirical receptive fields.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        A row a (model, layer), by model and theoretical size: units that were measured and have an empirical field; medians
        over them of the theoretical size, of the root of its area inside the input (`clipped`) and of the empirical size;
        units whose empirical field is smaller than the clipped one; means of the offsets with their standard errors.
        Sizes and offsets in input pixels. Empty if the run has no fields.
    """
    keys = ["model", "layer"]
    units = schemas.scan_receptive_fields(run).filter(pl.col("empirical_area").is_not_null())
    sizes = units.group_by(keys).agg(
        pl.len().alias("units"),
        pl.col("theoretical_size").median().alias("theoretical"),
        pl.col("theoretical_area").sqrt().median().alias("clipped"),
        pl.col("empirical_size").median().alias("empirical"),
        (pl.col("empirical_area") < pl.col("theoretical_area")).sum().alias("smaller"),
    )
    offsets = schemas.scan_layer_fields(run).select(
        *keys,
        pl.col("anchor_offset_y").alias("offset y"),
        pl.col("standard_error_y").alias("+- y"),
        pl.col("anchor_offset_x").alias("offset x"),
        pl.col("standard_error_x").alias("+- x"),
    )
    return sizes.join(offsets, on=keys, how="left").sort("model", "theoretical", "layer").collect()


__all__ = ["fields_summary"]
