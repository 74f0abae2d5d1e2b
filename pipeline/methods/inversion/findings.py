"""What a run says of inversions: how far what layers say fixes an image, layer by layer."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

_KEYS = ["model", "layer"]
_ERRORS = {
    "error": "error", "class_error": "of its class", "nearest_error": "nearest", "noise_error": "noise",
    "pixel_error": "in pixels", "nearest_pixel_error": "nearest in pixels",
}  # fmt: skip


def summary(run: str | Path) -> pl.DataFrame:
    """Return how close images come that are made anew from each layer.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer), in the order of the network's layers: views; medians of the errors in the layer, beside
        those of another image of the class, of the nearest drawn view and of noise; of the errors in pixels, and of the
        nearest drawn view; both errors in the network with shuffled weights. Empty if the run has none.
    """
    rows = schemas.scan_inversions(run)
    found = rows.filter(network="trained").group_by(_KEYS).agg(
        pl.len().alias("views"), *(pl.col(name).median().alias(said) for name, said in _ERRORS.items())
    )  # fmt: skip
    twins = rows.filter(network="shuffled").group_by(_KEYS).agg(
        pl.col("error").median().alias("shuffled"), pl.col("pixel_error").median().alias("shuffled in pixels")
    )  # fmt: skip
    order = schemas.scan_layers(run).select(*_KEYS).with_row_index("order")
    return (
        found.join(twins, on=_KEYS, how="left")
        .join(order, on=_KEYS, how="left")
        .sort("model", "order")
        .select(
            *_KEYS, "views", "error", "of its class", "nearest", "noise", "shuffled", "in pixels", "nearest in pixels",
            "shuffled in pixels",
        )
        .collect()
    )  # fmt: skip


def images(run: str | Path) -> pl.DataFrame:
    """Return the images, those of a view together: of the trained network first, in the order of the layers."""
    order = schemas.scan_layers(run).select(*_KEYS).with_row_index("order")
    return (
        schemas.scan_inversions(run)
        .join(order, on=_KEYS, how="left")
        .sort("model", "view", "network", "order", descending=[False, False, True, False])
        .select(
            "model", "layer", "view", "network", "error", pl.col("class_error").alias("of its class"),
            pl.col("pixel_error").alias("in pixels"), "picture",
        )
        .collect()
    )  # fmt: skip


_NOTE = (
    "Squared distances over squared lengths: 0 is the view itself; in the layer 1 is silence, in pixels 1 is its mean colour. "
    "`of its class`: other drawn views of the class in place of the image. `shuffled`: the network with its weights in another "
    "order; what it keeps was not learned."
)

FINDINGS = (
    Finding("What layers still know of an image", ("inversions", "layers"), summary, note=_NOTE),
    Finding(
        "Images made anew from layers",
        ("inversions", "layers"),
        images,
        look="wall",
        terminal=False,
        note="The view, and an image made from noise so that the layer says the same of it.",
    ),
)

__all__ = ["FINDINGS", "images", "summary"]
