"""What a run says of pictures made for units: how strongly units answer to them, beside the data and beside controls."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

_RATIOS = {"ratio": "ratio", "noise_ratio": "noise", "scrambled_ratio": "scrambled"}


def summary(run: str | Path) -> pl.DataFrame:
    """Return how strongly the units of each layer answer to their pictures.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer), sorted: units that are above 0 somewhere in the data; the share whose best picture beats the
        data; medians over the units of the ratio of activation and maximum on the data, of their best picture, of the noise it
        was made from, and of the picture with scrambled phases; the mean likeness of a unit's pictures. Empty if the run has
        none.
    """
    best = schemas.scan_visualizations(run).group_by("model", "layer", "unit").agg(
        *(pl.col(name).max() for name in _RATIOS), pl.col("likeness").mean()
    )  # fmt: skip
    found = best.filter(pl.col("ratio").is_not_null()).group_by("model", "layer").agg(
        pl.len().alias("units"),
        (pl.col("ratio") >= 1).mean().alias("beat the data"),
        *(pl.col(name).median().alias(said) for name, said in _RATIOS.items()),
        pl.col("likeness").sort().mean(),
    )  # fmt: skip
    return found.sort("model", "layer").collect()


def wall(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the best picture of each unit of a layer, with the concept that labels the unit; see `of_units`."""
    best = of_units(run, model, layer).sort("unit", "activation", "number", descending=[False, True, False])
    return best.unique("unit", keep="first", maintain_order=True).drop("number")


def of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the pictures of the units of a layer.

    Columns: model, layer, unit, number, ratio, noise, scrambled, activation, likeness, ``concept`` and ``IoU`` where the unit
    was dissected, and the picture, a PNG.
    """
    rows = schemas.scan_layer(run, "visualizations", model, layer)
    labels = schemas.scan_layer(run, "units", model, layer).select("unit", "concept", pl.col("iou").alias("IoU"))
    return (
        rows.join(labels, on="unit", how="left")
        .sort("unit", "number")
        .select(
            "model", "layer", "unit", "number", *(pl.col(name).alias(said) for name, said in _RATIOS.items()),
            "activation", "likeness", "concept", "IoU", "picture",
        )
        .collect()
    )  # fmt: skip


_NOTE = (
    "Each picture was made from noise so that the unit answers. `ratio` is the unit's activation on the picture over its "
    "maximum on the data, `noise` the same for the noise, `scrambled` for the picture with random phases: a picture shows what "
    "the unit sees only if its ratio is far above both."
)

FINDINGS = (
    Finding("What pictures made for units reach", ("visualizations", "units"), summary, note=_NOTE),
    Finding(
        "Pictures made for the units",
        ("visualizations", "units"),
        wall,
        per="layer",
        look="wall",
        note=_NOTE,
    ),
    Finding("Pictures made for the unit", ("visualizations", "units"), of_units, per="unit", look="wall", note=_NOTE),
)

__all__ = ["FINDINGS", "of_units", "summary", "wall"]
