"""What a run says beside its labels: the same under the other anchoring, on fewer images, and how well units meet parts."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.operators.dissection.scores import DETECTOR_IOU


def anchoring_summary(run: str | Path) -> pl.DataFrame:
    """Return the headline numbers of every layer under the run's anchoring and then the other; empty if not computed."""
    keys = ["model", "layer"]
    other = schemas.scan_unit_anchorings(run).with_columns(pl.lit(1).alias("order"))
    own_name = pl.when(pl.col("anchoring") == "resize").then(pl.lit("receptive_field")).otherwise(pl.lit("resize"))
    names = other.select(*keys, own_name.alias("anchoring")).unique()
    own = schemas.scan_units(run).join(names, on=keys).with_columns(pl.lit(0).alias("order"))
    columns = [*keys, "order", "anchoring", "unit", "concept", "iou"]
    over = pl.col("iou") > DETECTOR_IOU
    return (
        pl.concat([own.select(columns), other.select(columns)])
        .sort("unit")
        .group_by([*keys, "order", "anchoring"])
        .agg(
            pl.len().alias("units"),
            over.sum().alias("detectors"),
            pl.col("concept").filter(over).n_unique().alias("unique_top1"),
            pl.col("iou").mean().alias("mean_top_iou"),
        )
        .sort(*keys, "order")
        .drop("order")
        .collect()
    )


def part_summary(run: str | Path) -> pl.DataFrame:
    """Return the part interpretability of every layer, the mean of P_f over its units; empty if not computed."""
    keys = ["model", "layer"]
    rows = schemas.scan_part_interpretability(run)
    of_unit = rows.group_by(*keys, "unit").agg(
        pl.col("eligible").sum().alias("parts"),
        pl.col("share").filter(pl.col("best")).first().fill_null(0.0).alias("share"),
        pl.col("concept").filter(pl.col("best")).first(),
    )
    return (
        of_unit.sort("unit")
        .group_by(keys)
        .agg(
            pl.len().alias("units"),
            pl.col("parts").first(),
            pl.col("share").mean().alias("part_interpretability"),
            (pl.col("share") > 0.5).sum().alias("over_half"),
            pl.col("concept").drop_nulls().mode().sort().first().alias("commonest_part"),
        )
        .sort(keys)
        .collect()
    )


def growth_summary(run: str | Path, model: str | None = None, layer: str | None = None) -> pl.DataFrame:
    """Return how many live units of each layer, or of one of a model, are detectors on samples of the images.

    Columns: model, layer, images, `over_cutoff`, `expected_by_chance` (by permuted annotations); empty if not computed.
    """
    keys = ["model", "layer"]

    def read(name: str) -> pl.LazyFrame:
        return schemas.scan_layer(run, name, model, layer) if model and layer else schemas.scan(run, name)

    live = read("units").filter(pl.col("status") == "live").select(*keys, "unit")
    rows = read("detector_growth").join(live, on=[*keys, "unit"], how="semi")
    counted = rows.group_by(*keys, "images").agg(
        pl.col("detector").sum().cast(pl.Int64).alias("over_cutoff"),
        # tenths: whole numbers in whatever order
        ((pl.col("chance") * 10).round().sum() / 10).alias("expected_by_chance"),
    )
    return counted.sort(*keys, "images").collect()


__all__ = ["anchoring_summary", "growth_summary", "part_summary"]
