"""What a run says of effective fields: beside the theoretical ones, those of a random network, and what occlusion finds."""

from math import pi, sqrt
from pathlib import Path

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.rank_correlation import over_networks
from filterscope.pipeline.methods.method import Finding

_KEYS = ["model", "layer"]


def summary(run: str | Path) -> pl.DataFrame:
    """Return how large and how round the effective fields of each layer are, medians over units.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer), by model and theoretical size: units with a field; the theoretical size; radius of 68 % of a
        field, that were all pixels of the theoretical field alike (`uniform`), and that through the network with its weights
        shuffled (`random`); the same of 95 %; long over short axis, and that of the shuffled network; mean offsets. Sizes in
        input pixels. Empty if the run has none.
    """
    units = schemas.scan_effective_fields(run).filter(pl.col("radius68").is_not_null())
    found = units.group_by(_KEYS).agg(
        pl.len().alias("units"),
        pl.col("theoretical_size").median().alias("theoretical"),
        pl.col("radius68").median().alias("68 %"),
        pl.col("uniform68").median().alias("uniform 68 %"),
        pl.col("radius95").median().alias("95 %"),
        pl.col("uniform95").median().alias("uniform 95 %"),
        pl.col("anisotropy").median().alias("long to short"),
        pl.col("offset_y").sort().mean().alias("down"),
        pl.col("offset_x").sort().mean().alias("right"),
    )
    controls = schemas.scan_effective_controls(run).group_by(_KEYS).agg(
        pl.col("radius68").median().alias("random 68 %"),
        pl.col("radius95").median().alias("random 95 %"),
        pl.col("anisotropy").median().alias("random long to short"),
    )  # fmt: skip
    joined = found.join(controls, on=_KEYS, how="left").sort("model", "theoretical", "layer", nulls_last=True)
    columns = (
        "theoretical", "68 %", "uniform 68 %", "random 68 %", "95 %", "uniform 95 %", "random 95 %", "long to short",
        "random long to short", "down", "right",
    )  # fmt: skip
    return joined.select(*_KEYS, "units", *columns).collect()


def agreement(run: str | Path) -> pl.DataFrame:
    """Return how far fields by gradients and by occlusion agree, on the units that both measured.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer), sorted: units; the rank correlation of the two sizes with what permuted units give, and p;
        the median of the size by occlusion over the side of a square as large as the disc of 68 %. Empty unless the run has
        both.
    """
    sizes = schemas.scan_effective_fields(run).select(*_KEYS, "unit", "radius68")
    others = schemas.scan_receptive_fields(run).select(*_KEYS, "unit", "empirical_size")
    both = sizes.join(others, on=[*_KEYS, "unit"]).drop_nulls().sort(*_KEYS, "unit").collect()
    rows = []
    for (model, layer), frame in both.group_by(_KEYS, maintain_order=True):
        one, other = (frame[name].to_numpy().astype(np.float64) for name in ("radius68", "empirical_size"))
        found = over_networks(one, other, seed_of("effective-field", model, layer))
        chance = max(abs(found.chance_low), abs(found.chance_high))
        with np.errstate(divide="ignore"):
            ratio = float(np.median(other / (sqrt(pi) * one)))
        rows.append((model, layer, len(frame), found.rho, chance, found.p, ratio))
    names = (*_KEYS, "units", "rho", "by chance up to", "p", "occlusion to gradient")
    return pl.DataFrame(rows, schema=names, orient="row").fill_nan(None) if rows else pl.DataFrame()


def of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the effective fields of the units of a layer, with the picture of each."""
    return (
        schemas.scan_layer(run, "effective_fields", model, layer)
        .sort("unit")
        .select(
            "model", "layer", "unit", pl.col("radius68").alias("68 %"), pl.col("uniform68").alias("uniform 68 %"),
            pl.col("radius95").alias("95 %"), pl.col("uniform95").alias("uniform 95 %"),
            pl.col("anisotropy").alias("long to short"), "angle", "images", "picture",
        )
        .collect()
    )  # fmt: skip


def wall(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the effective fields of the units of a layer with fewer numbers, for the page of the layer."""
    columns = ("model", "layer", "unit", "68 %", "uniform 68 %", "long to short", "picture")
    return of_units(run, model, layer).select(columns)


def strips(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return what active cells of the units of a layer see of strongest and of drawn views."""
    order = pl.col("kind").replace_strict({"top": 0, "random": 1}, return_dtype=pl.Int8)
    return (
        schemas.scan_layer(run, "field_strips", model, layer)
        .sort("unit", order, "number")
        .select("model", "layer", "unit", "kind", "maximum", pl.col("threshold").alias("T"), "active", "fires", "picture")
        .collect()
    )  # fmt: skip


_NOTE = (
    "Discs about the centroid that hold 68 and 95 % of the gradient's magnitude, radii in input pixels. `uniform`: were all "
    "pixels of the theoretical field alike. `random`: the network with its weights shuffled."
)
_STRIPS = (
    "Left the unit's map, right the view, dark where no active position is moved: 68 % of the gradient's magnitude lies in "
    "what is bright. Random views are drawn, and the same for all units: `fires` says how seldom the top ones are."
)

FINDINGS = (
    Finding(
        "Effective fields by gradients: medians over units, input pixels",
        ("effective_fields", "effective_controls"),
        summary,
        note=_NOTE,
    ),
    Finding(
        "Fields by gradients against fields by occlusion",
        ("effective_fields", "receptive_fields"),
        agreement,
        note="Rank correlation over units; 1 in `occlusion to gradient`: as large as the disc of 68 %.",
    ),
    Finding("Effective fields of the units", ("effective_fields",), wall, per="layer", look="wall", note=_NOTE),
    Finding("Effective field of the unit", ("effective_fields",), of_units, per="unit", look="wall", note=_NOTE),
    Finding("What active cells see", ("field_strips",), strips, per="unit", look="wall", note=_STRIPS),
)

__all__ = ["FINDINGS", "agreement", "of_units", "strips", "summary", "wall"]
