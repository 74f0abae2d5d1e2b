"""What a run says of attributes that units know, beside what chance gives."""

from pathlib import Path
from typing import Literal, get_args

import polars as pl

from filterscope import schemas
from filterscope.operators.statistics.significance import FALSE_DISCOVERY_RATE
from filterscope.pipeline.methods.method import Finding

#: A layer tells an attribute under this p value.
LEVEL = 0.05

#: How far from 0.5 the AUC of a strong unit is.
STRONG = 0.25

Knowledge = Literal["strong", "weak", "chance", "few images"]

#: What a unit can be to an attribute, that to believe most first.
KNOWLEDGE: tuple[Knowledge, ...] = get_args(Knowledge)

_NOTE = (
    f"AUC: 1 if all images with the attribute excite the unit more than those without, 0 if less, 0.5 if it does not matter. "
    f"Strong: q <= {FALSE_DISCOVERY_RATE} and an AUC of {0.5 + STRONG} or more, or {0.5 - STRONG} or less; weak: q <= "
    f"{FALSE_DISCOVERY_RATE} alone. Random weights find attributes too, of colour and brightness: compare with @random:0."
)
_AWAY = (pl.col("auc") - 0.5).abs()


def with_knowledge(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add the column `knowledge`, one of `KNOWLEDGE`, to rows of `unit_attribute`; it sorts best first."""
    q, name = pl.col("q_value"), pl.Enum(KNOWLEDGE)
    found = (
        pl.when(q.is_null())
        .then(pl.lit("few images"))
        .when(q > FALSE_DISCOVERY_RATE)
        .then(pl.lit("chance"))
        .when(_AWAY >= STRONG)
        .then(pl.lit("strong"))
        .otherwise(pl.lit("weak"))
    )
    return rows.with_columns(found.cast(name).alias("knowledge"))


def headline(run: str | Path) -> pl.DataFrame:
    """Count in each layer the attributes that its units know, beside what chance gives.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model and layer, sorted: attributes that were tested, those that the best unit tells better than in all but
        few permutations (p <= 0.05), as many as are found ``by chance``, and those that some unit knows strongly; `strong
        units`, that know any; pairs of unit and attribute that are significant, and as many as are expected by chance.
    """
    keys, p = ["model", "layer"], pl.col("p_value")
    layers = schemas.scan_layer_attribute(run).filter(p.is_not_null()).group_by(keys).agg(
        pl.len().alias("tested"),
        (p <= LEVEL).sum().alias("found"),
        pl.col("significant").sum().alias("pairs"),
        pl.col("expected_by_chance").sum().alias("pairs by chance"),
    )  # fmt: skip
    strong = with_knowledge(schemas.scan_unit_attribute(run)).filter(pl.col("knowledge") == "strong")
    counted = strong.group_by(keys).agg(
        pl.col("attribute").n_unique().alias("strong"), pl.col("unit").n_unique().alias("strong units")
    )
    return (
        layers.join(counted, on=keys, how="left")
        .with_columns(pl.col("strong", "strong units").fill_null(0), (pl.col("tested") * LEVEL).alias("by chance"))
        .select(*keys, "tested", "found", "by chance", "strong", "strong units", "pairs", "pairs by chance")
        .sort(keys)
        .collect()
    )


def best_of_layers(run: str | Path, count: int = 5) -> pl.DataFrame:
    """Return the attributes that each layer tells best, and its best unit for each; `count` a layer at most."""
    keys = ["model", "layer"]
    return (
        _attributes(schemas.scan_layer_attribute(run).filter(pl.col("p_value") <= LEVEL))
        .group_by(keys, maintain_order=True)
        .head(count)
        .collect()
    )


def of_layer(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return all attributes that the units of a layer were compared with, that told best first."""
    return _attributes(schemas.scan_layer(run, "layer_attribute", model, layer)).collect()


def _attributes(rows: pl.LazyFrame) -> pl.LazyFrame:
    away = (pl.col("best_auc") - 0.5).abs()
    columns = (
        "attribute", "positives", "negatives", "best_unit", "best_auc", "best_by_chance", "p_value",
        "significant", "expected_by_chance",
    )  # fmt: skip
    return rows.sort("model", "layer", away, "attribute", descending=[False, False, True, False]).select(
        "model", "layer", *columns
    )


def of_units(run: str | Path, model: str, layer: str, count: int = 3) -> pl.DataFrame:
    """Return the attributes that each unit of a layer tells best, that to believe most first; `count` a unit at most."""
    rows = with_knowledge(schemas.scan_layer(run, "unit_attribute", model, layer))
    return (
        rows.sort("unit", "knowledge", _AWAY, "attribute", descending=[False, False, True, False])
        .group_by("unit", maintain_order=True)
        .head(count)
        .select("model", "layer", "unit", "attribute", "auc", "auc_by_chance", "d_prime", "q_value", "knowledge")
        .collect()
    )


FINDINGS = (
    Finding("Attributes that units know", ("layer_attribute", "unit_attribute"), headline, note=_NOTE),
    Finding(
        "Attributes that are told best",
        ("layer_attribute",),
        best_of_layers,
        note="By chance: the best AUC, or 1 - AUC, of as many units under permuted images, on average.",
    ),
    Finding("Attributes, and the unit that tells each best", ("layer_attribute",), of_layer, per="layer", note=_NOTE),
    Finding("Attributes that it tells best", ("unit_attribute",), of_units, per="unit", note=_NOTE),
)

__all__ = ["FINDINGS", "KNOWLEDGE", "STRONG", "best_of_layers", "headline", "of_layer", "of_units", "with_knowledge"]
