"""What a run says of labels against chance, and which of its numbers to trust."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.methods.significance.trust import MEANINGS, STANDINGS, trust, with_standing

_UNIT = ["model", "layer", "unit"]


def labels(run: str | Path) -> pl.DataFrame:
    """Return every unit of a run with what is known of its label, and its `standing`.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        The columns of `units` and `unit_significance`, null where the run has not computed them, `effective_images` of the
        unit and its label where the run counted no groups, and `standing`, which sorts best first; sorted by
        model, layer and unit.
    """
    units = schemas.scan_units(run).join(schemas.scan_unit_significance(run), on=_UNIT, how="left").collect()
    if units.filter("detector")["effective_groups"].null_count():
        pairs = schemas.scan_unit_concept(run).select(*_UNIT, "concept", "effective_images")
        units = units.lazy().join(pairs, on=[*_UNIT, "concept"], how="left").collect()
    return with_standing(units).sort(_UNIT)


def headline(run: str | Path) -> pl.DataFrame:
    """Count the units of each layer by what their labels are worth, beside what chance gives.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer), sorted: a column for each of `STANDINGS` but the last, their sum ``over 0.04``, and
        how many units are over 0.04 ``by chance``; empty where the run has no significance.
    """
    layers = schemas.scan_layer_significance(run).collect()
    if not layers.height:
        return pl.DataFrame()
    counted = (
        labels(run)
        .group_by("model", "layer")
        .agg(
            *((pl.col("standing") == name).sum().cast(pl.Int64).alias(name) for name in STANDINGS[:-1]),
        )
    )
    return (
        layers.join(counted, on=["model", "layer"])
        .sort("model", "layer")
        .select(
            "model",
            "layer",
            *STANDINGS[:-1],
            pl.sum_horizontal(*STANDINGS[:-1]).alias("over 0.04"),
            pl.col("expected_by_chance").alias("by chance"),
        )
    )


def standing_units(run: str | Path, count: int = 5) -> pl.DataFrame:
    """Return the units of strong labels in each layer, then those of tentative ones, by IoU; `count` a layer at most.

    Empty where the run has no significance, and where there is no such label.
    """
    if not schemas.scan_unit_significance(run).head(1).collect().height:
        return pl.DataFrame()
    return (
        labels(run)
        .filter(pl.col("standing").is_in(STANDINGS[:2]))
        .sort("model", "layer", "standing", "iou", "unit", descending=[False, False, False, True, False])
        .group_by("model", "layer", maintain_order=True)
        .head(count)
        .select(*_UNIT, "concept", "category", "iou", "expected_iou", "standing")
    )


def sentences(run: str | Path) -> list[str]:
    """Return for each layer which of its numbers to trust."""
    layers = schemas.scan_layer_significance(run).sort("model", "layer").collect()
    strong = labels(run).group_by("model", "layer").agg((pl.col("standing") == STANDINGS[0]).sum().alias("strong"))
    rows = layers.join(strong, on=["model", "layer"], how="left", maintain_order="left").iter_rows(named=True)
    return [f"{row['model']} {row['layer']}: {trust(row)}" for row in rows]


FINDINGS = (
    Finding(
        "What labels are worth",
        ("units", "unit_significance", "layer_significance"),
        headline,
        note="; ".join(f"{name}: {MEANINGS[name]}" for name in STANDINGS[:-1])
        + ". By chance: units over 0.04 under permuted annotations, on average.",
    ),
    Finding("Labels to believe first", ("units", "unit_significance"), standing_units),
)

__all__ = ["FINDINGS", "headline", "labels", "sentences", "standing_units"]
