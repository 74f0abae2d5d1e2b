"""What a run says of labels under both anchorings."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.pipeline.methods.method import Finding

#: The run's own anchoring, where `anchoring` is the other.
_OWN = pl.when(pl.col("anchoring") == "resize").then(pl.lit("receptive_field")).otherwise(pl.lit("resize"))


def anchoring_summary(run: str | Path) -> pl.DataFrame:
    """Return the headline numbers of every layer under the run's anchoring and then the other; empty if not computed."""
    keys = ["model", "layer"]
    other = schemas.scan_unit_anchorings(run).with_columns(pl.lit(1).alias("order"))
    names = other.select(*keys, _OWN.alias("anchoring")).unique()
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


def both_anchorings(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the label of each unit of a layer under the run's anchoring and under the other, empty if not computed.

    Columns: model, layer, unit, anchoring, concept, category, iou, and whether it is ``of the run``.
    """
    concepts = schemas.scan_concepts(run).select("concept", "category").unique()
    other = schemas.scan_layer(run, "unit_anchorings", model, layer).join(concepts, on="concept", how="left")
    names = other.select("unit", _OWN.alias("anchoring"))
    own = schemas.scan_layer(run, "units", model, layer).join(names, on="unit")
    columns = ["model", "layer", "unit", "anchoring", "concept", "category", "iou"]
    return (
        pl.concat(
            [
                own.select(*columns, pl.lit(value=True).alias("of the run")),
                other.select(*columns, pl.lit(value=False).alias("of the run")),
            ]
        )
        .sort("unit", "of the run", descending=[False, True])
        .collect()
    )


def anchorings_of_layer(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the headline numbers of one layer under the run's anchoring and then the other.

    Columns: model, layer, anchoring, units, detectors, unique labels, mean IoU, and the share of units that have the
    same label under both (``same label``). Empty if not computed.
    """
    rows = both_anchorings(run, model, layer)
    labels = pl.col("concept").fill_null("")
    same = rows.group_by("unit").agg((labels.n_unique() == 1).alias("same"))["same"].mean()
    over = pl.col("iou") > DETECTOR_IOU
    return (
        rows.group_by("model", "layer", "of the run", "anchoring")
        .agg(
            pl.len().alias("units"),
            over.sum().alias("detectors"),
            pl.col("concept").filter(over).n_unique().alias("unique labels"),
            pl.col("iou").mean().alias("mean IoU"),
        )
        .with_columns(pl.lit(same, pl.Float64).alias("same label"))
        .sort("of the run", descending=True)
        .drop("of the run")
    )


_TABLES = ("unit_anchorings", "units")
_NOTE = "Where the two differ, the label hangs on where a cell of the map is taken to look."

FINDINGS = (
    Finding("Detectors under both anchorings", _TABLES, anchoring_summary, note=_NOTE),
    Finding("Both anchorings", _TABLES, anchorings_of_layer, per="layer", note=_NOTE),
    Finding(
        "Label under both anchorings", (*_TABLES, "concepts"), both_anchorings, per="unit", look="bars", note=_NOTE
    ),
)

__all__ = ["FINDINGS", "anchoring_summary", "anchorings_of_layer", "both_anchorings"]
