"""Empirical receptive fields of units, beside the theoretical ones."""

import polars as pl
import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, NO_FIELD, PIXEL, UNIT, Joined, column, table

_UNMOVED = "no occluder moves the unit, or no image gives its map a spatial maximum"
_NO_CENTRE = f"{_UNMOVED}; or the layer has no theoretical field"
_NO_UNIT = "no unit is measured"

RECEPTIVE_FIELDS = table(
    MODEL,
    LAYER,
    UNIT,
    column("theoretical_size", pa.float64(), "root of its rows times columns", unit=PIXEL, null=NO_FIELD),
    column(
        "theoretical_area",
        pa.float64(),
        "pixels of it inside the input, averaged over the maximal positions",
        unit=PIXEL,
        null="no field of constant size, or no image gives the map a spatial maximum",
    ),
    column("empirical_size", pa.float64(), "square root of empirical_area", unit=PIXEL, null=_UNMOVED),
    column(
        "empirical_area",
        pa.int64(),
        "pixels of at least half the largest discrepancy; about the occluder's at least",
        unit=PIXEL,
        null=_UNMOVED,
    ),
    column("offset_y", pa.float64(), "centroid minus theoretical centre, rows", unit=PIXEL, null=_NO_CENTRE),
    column("offset_x", pa.float64(), "centroid minus theoretical centre, columns", unit=PIXEL, null=_NO_CENTRE),
    column("images", pa.int32(), "strongest views that were occluded and have a spatial maximum"),
    column("occluder", pa.int32(), "rows and columns of an occluder", unit=PIXEL),
    column("step", pa.int32(), "between neighbouring occluders", unit=PIXEL),
)

LAYER_FIELDS = table(
    MODEL,
    LAYER,
    column("units", pa.int64(), "units that were measured and have an empirical field"),
    column("theoretical_size", pa.float64(), "mean over these units", unit=PIXEL, null=_NO_UNIT),
    column("theoretical_area", pa.float64(), "mean over these units", unit=PIXEL, null=_NO_UNIT),
    column("empirical_size", pa.float64(), "mean over these units", unit=PIXEL, null=_NO_UNIT),
    column("empirical_area", pa.float64(), "mean over these units", unit=PIXEL, null=_NO_UNIT),
    column("anchor_offset_y", pa.float64(), "mean offset_y of these units", unit=PIXEL, null=_NO_UNIT),
    column("anchor_offset_x", pa.float64(), "mean offset_x of these units", unit=PIXEL, null=_NO_UNIT),
    column("standard_error_y", pa.float64(), "of anchor_offset_y, over units", unit=PIXEL, null="under two units"),
    column("standard_error_x", pa.float64(), "of anchor_offset_x, over units", unit=PIXEL, null="under two units"),
)


def _with_offsets(layers: pl.LazyFrame, fields: pl.LazyFrame) -> pl.LazyFrame:
    """Join the anchor offsets that were measured to the layers, and say why others are null."""
    keys, offsets = ["model", "layer"], ["anchor_offset_y", "anchor_offset_x"]
    measured = fields.select(*keys, *offsets, pl.lit(value=True).alias("measured"))
    joined = layers.join(measured, on=keys, how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("measured").is_null())
        .then(pl.lit("not measured; --methods receptive-field measures it"))
        .when(pl.col("anchor_offset_y").is_null())
        .then(pl.lit("no unit that was measured has an empirical field, or the layer has no theoretical one"))
    )
    return joined.with_columns(reason.alias("no_offset")).drop("measured")


_UNMEASURED = "see no_offset"

#: Anchor offsets of layers, which are measured long after the layers are written.
ANCHOR_OFFSETS = Joined(
    to="layers",
    source="layer_fields",
    columns=table(
        column(
            "anchor_offset_y",
            pa.float64(),
            "mean empirical centroid minus theoretical centre, rows",
            unit=PIXEL,
            null=_UNMEASURED,
        ),
        column("anchor_offset_x", pa.float64(), "the same, columns", unit=PIXEL, null=_UNMEASURED),
        column("no_offset", pa.string(), "why there is no anchor offset", null="there is one"),
    ),
    join=_with_offsets,
)
