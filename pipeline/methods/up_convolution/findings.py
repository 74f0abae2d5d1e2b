"""What a run says of inversions: what each layer keeps, beside five controls, and what training kept."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

#: What sources of pictures are called on pages, in their order.
SAID = {
    "image": "image", "inverter": "inversion", "random_weights": "untrained", "ridge": "linear", "nearest": "nearest",
    "another": "another", "mean_image": "mean image",
}  # fmt: skip
_CONTROLS = [name for name in SAID if name not in ("image", "inverter")]


def kept(run: str | Path) -> pl.DataFrame:
    """Return what the inversions of each layer keep.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer, measure), in the order of the table: value, its interval, the five controls, and by how much
        training made it better, with its interval. Empty if the run has none.
    """
    rows = schemas.scan_upconvolutions(run).filter(pl.col("features") == "whole")
    return rows.select(
        "model", "layer", "measure", "value", "low", "high", *(pl.col(name).alias(SAID[name]) for name in _CONTROLS),
        pl.col("kept_by_training").alias("kept by training"), pl.col("kept_low").alias("kept low"),
        pl.col("kept_high").alias("kept high"), "images",
    ).collect()  # fmt: skip


def damaged(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the measures of inversions of damaged features of a layer, a column each, the whole ones first."""
    rows = schemas.scan_layer(run, "upconvolutions", model, layer).collect()
    if rows.is_empty():
        return rows.select("model", "layer", "features", "value")
    return rows.pivot("measure", index=["model", "layer", "features"], values="value", maintain_order=True)


def hung(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the inversions of a layer that are kept as pictures, each after its image and before its controls."""
    rows = schemas.scan_layer(run, "upconvolution_pictures", model, layer)
    place = pl.col("source").replace_strict({name: number for number, name in enumerate(SAID)}, return_dtype=pl.Int32)
    return (
        rows.sort("view", place)
        .select(
            "model", "layer", "view", pl.col("source").replace_strict(SAID, return_dtype=pl.String), "error", "picture"
        )
        .collect()
    )


def of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return what the units of a layer add to inversions."""
    return (
        schemas.scan_layer(run, "upconvolution_units", model, layer)
        .sort("unit")
        .select("model", "layer", "unit", "change", "inside", pl.col("inside_control").alias("in another's"), "images")
        .collect()
    )


_NOTE = (
    "A network was trained to make the image again of what the layer gives. `error` is the distance from the image over that "
    "of random pairs of images; `colour`, `place`, `edges` and `cycle` are 0 at best, `structure` and `identity` 1. The same "
    "measures of the network `untrained`, a `linear` inverter, the `nearest` training image, the inversion of `another` image "
    "and the `mean image` say what the value is worth; `kept by training` is below 0 where the untrained network keeps more."
)

FINDINGS = (
    Finding("What inversions keep", ("upconvolutions",), kept, note=_NOTE),
    Finding(
        "Inversions of damaged features",
        ("upconvolutions",),
        damaged,
        per="layer",
        note="The same inverter on features of which signs alone are left, or that are partly set to 0; of one value per unit "
        "also on the five largest, and on all but these.",
    ),
    Finding(
        "Inversions of the layer",
        ("upconvolution_pictures",),
        hung,
        per="layer",
        look="wall",
        note="Held-out images, drawn at random; after each its inversion, then the controls. `error` is as above.",
    ),
    Finding(
        "The unit in inversions",
        ("upconvolution_units",),
        of_units,
        per="unit",
        note="`change`: how far the inversion moves when the unit is set to its minimum. `inside`: the share of that in the "
        "fifth of the picture where the unit is strongest; by chance .2, and `in another's` fifth.",
    ),
)

__all__ = ["FINDINGS", "SAID", "damaged", "hung", "kept", "of_units"]
