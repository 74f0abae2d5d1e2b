"""What a run says of detectors on fewer images."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding


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


_TABLES = ("detector_growth", "units")
_NOTE = (
    "On an eighth, a quarter, half and all of the images, as annotated and on average over 10 permutations of the "
    "annotations. Thresholds and eligible concepts are those of all images. Where the lines meet, labels say nothing."
)

FINDINGS = (
    Finding(
        "Units over 0.04 on samples of the images, observed and by chance",
        _TABLES,
        growth_summary,
        look="lines",
        note=_NOTE,
    ),
    Finding("Detectors against the number of images", _TABLES, growth_summary, per="layer", look="lines", note=_NOTE),
)

__all__ = ["FINDINGS", "growth_summary"]
