"""What a run says of units that move with the content."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

#: Standard errors above 0 from which a unit counts as one that follows.
_ERRORS = 2.0


def shift_summary(run: str | Path) -> pl.DataFrame:
    """Return how far the units of each layer follow: one row per model, layer and category.

    Columns: units with a result; `follow`, the share whose follows_shift lies two standard errors above 0; follows_shift at the
    10th, 50th and 90th percentile; its median `where triggered`, and the mean share of views that are `triggered`; the mean
    `error`.
    """
    keys, slope = ["model", "layer", "category"], pl.col("follows_shift")
    rows = schemas.scan_follows_shift(run).filter(slope.is_not_null())
    found = rows.group_by(keys).agg(
        pl.len().alias("units"),
        (slope > _ERRORS * pl.col("standard_error")).mean().alias("follow"),
        *(slope.quantile(q, "linear").alias(f"follows_shift_{q:.0%}".rstrip("%")) for q in (0.1, 0.5, 0.9)),
        pl.col("triggered_follows_shift").median().alias("follows where triggered"),
        pl.col("triggered_share").mean().alias("triggered"),
        pl.col("standard_error").mean().alias("error"),
    )
    return found.sort(keys).collect()


def shift_of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return how far each unit of a layer follows the content.

    Columns: model, layer, unit, category, ``follows shift``, ``error``, ``follows where triggered``, ``triggered``, pairs.
    """
    rows = schemas.scan_layer(run, "follows_shift", model, layer).sort("unit", "category")
    return rows.select(
        "model", "layer", "unit", "category",
        pl.col("follows_shift").alias("follows shift"), pl.col("standard_error").alias("error"),
        pl.col("triggered_follows_shift").alias("follows where triggered"), pl.col("triggered_share").alias("triggered"),
        pl.col("views").alias("pairs"),
    ).collect()  # fmt: skip


_NOTE = (
    "Two crops of each view, some pixels apart: how far the unit's strongest position moves over how far the content does. "
    "0: it stays where it is in the crop, as any constant does; 1: it moves with the content."
)
_TABLES = ("follows_shift",)

FINDINGS = (
    Finding(
        "Units that move with the content: 0 for a constant, 1 for a follower",
        _TABLES,
        shift_summary,
        note=f"{_NOTE} `follow`: share of units two standard errors above 0.",
    ),
    Finding("Whether it moves with the content", _TABLES, shift_of_units, per="unit", note=_NOTE),
)

__all__ = ["FINDINGS", "shift_of_units", "shift_summary"]
