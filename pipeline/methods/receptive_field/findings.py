"""What a run says about what units react to: empirical receptive fields beside the theoretical ones, layer by layer."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.methods.receptive_field.costs import field_costs


def fields_summary(run: str | Path) -> pl.DataFrame:
    """Summarise empirical receptive fields.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer), by model and theoretical size: units that were measured and have an empirical field; medians
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


def fields_of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the fields of the units of a layer that were measured, in input pixels.

    Columns: model, layer, unit, ``theoretical`` size, ``clipped``: the root of its area inside the input, ``empirical`` size,
    ``offset y``, ``offset x``, ``images`` occluded, and the side of an ``occluder``.
    """
    return (
        schemas.scan_layer(run, "receptive_fields", model, layer)
        .sort("unit")
        .select(
            "model",
            "layer",
            "unit",
            pl.col("theoretical_size").alias("theoretical"),
            pl.col("theoretical_area").sqrt().alias("clipped"),
            pl.col("empirical_size").alias("empirical"),
            pl.col("offset_y").alias("offset y"),
            pl.col("offset_x").alias("offset x"),
            "images",
            "occluder",
        )
        .collect()
    )


_NOTE = (
    "Input pixels. `clipped` is the part of the theoretical field inside the input; no field is measured smaller than the "
    "occluder, and offsets of an aligned unit are 0."
)

FINDINGS = (
    Finding(
        "What units react to: median fields found by occlusion, input pixels",
        ("receptive_fields", "layer_fields"),
        fields_summary,
        note=_NOTE,
    ),
    Finding(
        "Cost of receptive-field: time of workers, shared by all layers of a model", ("receptive_fields",), field_costs
    ),
    Finding("Fields found by occlusion", ("receptive_fields",), fields_of_units, per="layer", note=_NOTE),
    Finding("Field found by occlusion", ("receptive_fields",), fields_of_units, per="unit", note=_NOTE),
)

__all__ = ["FINDINGS", "fields_of_units", "fields_summary"]
