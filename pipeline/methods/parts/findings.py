"""What a run says of how well units meet parts."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding
from filterscope.schemas.parts import PART

_KEYS = ["model", "layer", "unit"]
#: Parts of a unit that are listed.
_PARTS = 12


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


def parts_of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the parts that each unit of a layer meets on some view, at most 12 of a unit, largest share first.

    Columns: model, layer, unit, concept, category, share, mean_iou, largest_iou, matched, views, eligible, best.
    """
    return (
        schemas.scan_layer(run, "part_interpretability", model, layer)
        .filter(pl.col("matched") > 0)
        .sort("unit", "share", "mean_iou", "concept", descending=[False, True, True, False])
        .group_by("unit", maintain_order=True)
        .head(_PARTS)
        .select(
            *_KEYS,
            "concept",
            pl.lit(PART).alias("category"),
            "share",
            "mean_iou",
            "largest_iou",
            "matched",
            "views",
            "eligible",
            "best",
        )
        .collect()
    )


def best_parts(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the parts of a layer by the unit that meets each on the largest share of its views, largest first.

    Columns: model, layer, concept, category, ``share`` of the best unit, that ``unit``, the ``mean over units``, how many
    ``units`` the part is the best one of, and the ``views`` that show it; a row for each eligible part.
    """
    rows = schemas.scan_layer(run, "part_interpretability", model, layer).filter("eligible")
    ranked = rows.sort("concept", "share", "unit", descending=[False, True, False], nulls_last=True)
    return (
        ranked.group_by("model", "layer", "concept", maintain_order=True)
        .agg(
            pl.lit(PART).alias("category"),
            pl.col("share").first(),
            pl.col("unit").first(),
            pl.col("share").mean().alias("mean over units"),
            pl.col("best").sum().cast(pl.Int64).alias("units"),
            pl.col("views").first(),
        )
        .sort("share", "concept", descending=[True, False], nulls_last=True)
        .collect()
    )


_TABLES = ("part_interpretability",)
_CHANCE = (
    "No share by chance is stored: a part that fills much of the view is met by a mask that lies anywhere, so compare with "
    "a network of random weights."
)

FINDINGS = (
    Finding(
        "Part interpretability: mean over units of P_f, the share of views on which IoU > 0.2",
        _TABLES,
        part_summary,
        note=_CHANCE,
    ),
    Finding(
        "Best parts",
        _TABLES,
        best_parts,
        per="layer",
        look="bars",
        note="Of each part the unit whose receptive-field mask has an IoU over 0.2 with it on the largest share of the views "
        f"that show it, beside the mean over all units. {_CHANCE}",
    ),
    Finding(
        "Parts",
        _TABLES,
        parts_of_units,
        per="unit",
        look="bars",
        note="Share of the views that show a part on which the unit's receptive-field mask has an IoU over 0.2 with it; "
        f"parts that it never meets are left out. {_CHANCE}",
    ),
)

__all__ = ["FINDINGS", "best_parts", "part_summary", "parts_of_units"]
