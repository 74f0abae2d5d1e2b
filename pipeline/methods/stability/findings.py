"""What a run says of labels at other quantiles of activation: whether a unit keeps its own."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

_KEYS = ["model", "layer", "unit"]


def at_thresholds(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return what each unit of a layer is labelled at each quantile.

    Returns
    -------
    polars.DataFrame
        By unit and quantile: model, layer, unit, ``activations above T, %``, ``T``, ``concept`` and its ``category``,
        ``iou``, whether the label is that of the run (``same label``; null without one) and whether the quantile is the
        run's (``own quantile``). Empty if not computed.
    """
    concepts = schemas.scan_concepts(run).select("concept", "category").unique()
    label = schemas.scan_layer(run, "units", model, layer).select("unit", pl.col("concept").alias("label"))
    own = schemas.scan_layer(run, "thresholds", model, layer).select("unit", pl.col("quantile").alias("own"))
    return (
        schemas.scan_layer(run, "label_stability", model, layer)
        .join(concepts, on="concept", how="left")
        .join(label, on="unit", how="left")
        .join(own, on="unit", how="left")
        .sort("unit", "quantile")
        .select(
            *_KEYS,
            (100 * pl.col("quantile")).alias("activations above T, %"),
            pl.col("threshold").alias("T"),
            "concept",
            "category",
            "iou",
            pl.when(pl.col("label").is_not_null())
            .then(pl.col("concept").eq_missing(pl.col("label")))
            .alias("same label"),
            (pl.col("quantile") == pl.col("own")).alias("own quantile"),
        )
        .collect()
    )


def agreement(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return how many units of a layer keep their label at each quantile.

    Returns
    -------
    polars.DataFrame
        By quantile: model, layer, ``activations above T, %``, ``labelled`` units of the run, the share of them that keep
        their label (``same label``), that share if the labels at the quantile were dealt out to the units at random
        (``same by chance``), and the mean ``iou``. Empty if not computed.
    """
    rows = at_thresholds(run, model, layer)
    label = schemas.scan_layer(run, "units", model, layer).select("unit", pl.col("concept").alias("label")).collect()
    labelled = rows.join(label.drop_nulls(), on="unit")
    quantile = "activations above T, %"
    then = labelled.group_by(quantile, pl.col("concept").alias("label")).len("then").drop_nulls("label")
    now = labelled.group_by(quantile, "label").len("now")
    both = then.join(now, on=[quantile, "label"])
    met = both.group_by(quantile).agg((pl.col("then").cast(pl.Int64) * pl.col("now")).sum().alias("met"))
    counted = labelled.group_by(quantile).agg(
        pl.len().cast(pl.Int64).alias("labelled"),
        pl.col("same label").sum().cast(pl.Int64).alias("kept"),
        pl.col("iou").sort_by("unit").mean(),
    )
    return (
        counted.join(met, on=quantile, how="left")
        .sort(quantile)
        .select(
            pl.lit(model).alias("model"),
            pl.lit(layer).alias("layer"),
            quantile,
            "labelled",
            (pl.col("kept") / pl.col("labelled")).alias("same label"),
            (pl.col("met").fill_null(0) / pl.col("labelled") ** 2).alias("same by chance"),
            "iou",
        )
    )


_TABLES = ("label_stability", "units", "thresholds", "concepts")

FINDINGS = (
    Finding(
        "Label at other thresholds",
        _TABLES,
        at_thresholds,
        per="unit",
        look="bars",
        note="Each as an audit with that quantile would label the unit. A label worth its name is the same at several.",
    ),
    Finding(
        "Labels at other thresholds",
        _TABLES,
        agreement,
        per="layer",
        note="Share of the labelled units whose label is the same, beside the share that labels dealt out at random would "
        "reach. At the run's own quantile all are the same by definition.",
    ),
)

__all__ = ["FINDINGS", "agreement", "at_thresholds"]
