"""What pictures made with a learned prior come to: whether they beat the data, look real, differ, and move others."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

_KEYS = ("model", "layer", "prior", "weight")


def summary(run: str | Path) -> pl.DataFrame:
    """Return what pictures with a prior come to, one row per (model, layer, prior, weight); empty if the run has none."""
    rows = schemas.scan(run, "syntheses").group_by(_KEYS).agg(
        pl.len().alias("pictures"), pl.col("over_dataset").median().alias("over data"),
        pl.col("unguided").median(), pl.col("natural").median(), pl.col("kept").mean().alias("kept"),
        pl.col("nearest").median(), pl.col("nearest_real").first().alias("nearest of real"),
    )  # fmt: skip
    units = schemas.scan(run, "synthesis_units").group_by(_KEYS).agg(
        pl.col("diversity").median(), pl.col("transfer").sort().mean(),
        pl.col("transfer_control").sort().mean().alias("of a random unit"),
    )  # fmt: skip
    return rows.join(units, on=_KEYS, how="left").sort("model", "layer", "prior", "weight").collect()


def of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the pictures of the units of a layer, those that look real first."""
    rows = schemas.scan_layer(run, "syntheses", model, layer)
    said = pl.when(pl.col("kept").fill_null(True)).then(pl.lit("")).otherwise(pl.lit("unlike real images"))
    return (
        rows.sort("unit", "weight", "chain")
        .select(
            "model", "layer", "unit", "weight", said.alias("remark"), pl.col("over_dataset").alias("over data"), "unguided",
            "natural", "nearest", "picture",
        )
        .collect()
    )  # fmt: skip


def differing(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return how the pictures of each unit differ, and whether they move the matched unit of another network."""
    rows = schemas.scan_layer(run, "synthesis_units", model, layer).sort("unit", "weight")
    return rows.select(
        "model", "layer", "unit", "weight", "diversity", "matched", "transfer",
        pl.col("transfer_control").alias("of a random unit"), "images",
    ).collect()  # fmt: skip


_NOTE = (
    "Each picture was made by a generator that learned what images look like, guided by the unit. `over data` is the unit's "
    "activation over its maximum on the data, `unguided` the same of the picture that the generator makes from the same start "
    "without the unit. `natural` is the share of real images that are reconstructed no better: below .05 the picture is unlike "
    "any. `nearest` is the distance from the nearest known image, near 0 for a copy."
)

FINDINGS = (
    Finding("What pictures with a prior reach", ("syntheses", "synthesis_units"), summary, note=_NOTE),
    Finding("With a learned prior", ("syntheses",), of_units, per="unit", look="wall", note=_NOTE),
    Finding(
        "How pictures with a prior differ",
        ("synthesis_units",),
        differing,
        per="unit",
        note="`diversity`: mean distance of the unit's pictures in the layer over that of its top images. `transfer`: how the "
        "matched unit of another network ranks them among real images, and a random unit of it, by chance.",
    ),
)

__all__ = ["FINDINGS", "differing", "of_units", "summary"]
