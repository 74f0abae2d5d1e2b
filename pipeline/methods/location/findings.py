"""What a run says about where units look: location instability beside its baselines, layer by layer."""

from pathlib import Path

import polars as pl

from filterscope import schemas

#: Probability, at most, that a unit as unsteady as a baseline counts as steadier.
LEVEL = 0.05


def location_summary(run: str | Path) -> pl.DataFrame:
    """Summarise the location instability of a run, empty if it has none: a row a (model, layer, category).

    Its columns: units; mean over units of the mean over landmarks of `instability`, `fixed` and `uniform`; `steadier`, the
    units that beat both baselines on some landmark (the larger p value, times the number of landmarks, below 0.05);
    tracking at the 10th, 50th and 90th percentile of unit and landmark.
    """
    rows = schemas.scan_location_instability(run)
    keys, deviations = ["model", "layer", "category"], ["instability", "fixed", "uniform"]
    of_unit = rows.group_by(*keys, "unit").agg(
        pl.col(deviations).mean(),
        (pl.max_horizontal("p_fixed", "p_uniform").min() * pl.len()).alias("p"),
    )
    tracking = rows.group_by(keys).agg(
        pl.col("tracking").quantile(q, "linear").alias(f"tracking_{q:.0%}".rstrip("%")) for q in (0.1, 0.5, 0.9)
    )
    found = (
        of_unit.sort("unit")
        .group_by(keys)
        .agg(pl.len().alias("units"), pl.col(deviations).mean(), (pl.col("p") < LEVEL).sum().alias("steadier"))
    )
    return found.join(tracking, on=keys, how="left", nulls_equal=True).sort(keys).collect()


__all__ = ["location_summary"]
