"""What a run says about where units look: location instability beside its baselines, layer by layer."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

#: Probability, at most, that a unit as unsteady as a baseline counts as steadier.
LEVEL = 0.05

_STRATUM = ("category", "landmark")
_BASELINES = (pl.col("fixed").alias("centre"), pl.col("uniform").alias("random"))
_STEADIER = (
    pl.col("beats_fixed").alias("steadier than centre"),
    pl.col("beats_uniform").alias("steadier than random"),
)


def location_summary(run: str | Path) -> pl.DataFrame:
    """Summarise the location instability of a run, empty if it has none: one row per model, layer and category.

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


def landmarks_of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return how steady each unit of a layer is beside each landmark, with its baselines.

    Columns: model, layer, unit, category, landmark, instability, ``centre``, ``random``, ``tracking``, ``images``, and
    whether it is ``steadier than centre`` and ``steadier than random``.
    """
    return (
        schemas.scan_layer(run, "location_instability", model, layer)
        .sort("unit", "category", "landmark")
        .select("model", "layer", "unit", *_STRATUM, "instability", *_BASELINES, "tracking", "images", *_STEADIER)
        .collect()
    )


def landmarks_of_layer(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the means over the units of a layer of instability and baselines, and how many beat both.

    Columns: model, layer, category, landmark, ``units`` with a result, instability, ``centre``, ``random``, ``steadier``
    units, median ``tracking``.
    """
    rows = schemas.scan_layer(run, "location_instability", model, layer).filter(pl.col("instability").is_not_null())
    return (
        rows.sort("unit")
        .group_by("model", "layer", *_STRATUM)
        .agg(
            pl.len().alias("units"),
            pl.col("instability").mean(),
            *(baseline.mean() for baseline in _BASELINES),
            (pl.col("beats_fixed") & pl.col("beats_uniform")).sum().alias("steadier"),
            pl.col("tracking").median(),
        )
        .sort("category", "landmark")
        .collect()
    )


_TABLES = ("location_instability",)
_NOTE = (
    "Location instability: the deviation of the distance to a landmark, in diagonals of the view, beside that of a dot at the "
    "centre and of random positions. Lower is steadier; tracking is 0 for a constant and 1 for a follower."
)

FINDINGS = (
    Finding(
        "Where units look: location instability beside a fixed and a uniform position",
        _TABLES,
        location_summary,
        note="Lower is steadier. A dot at the centre is `fixed`, positions drawn over the view are `uniform`; `steadier` units "
        "beat both with p < .05.",
    ),
    Finding("Where its units look", _TABLES, landmarks_of_layer, per="layer", note=f"Means over units. {_NOTE}"),
    Finding("Where it looks", _TABLES, landmarks_of_units, per="unit", note=_NOTE),
)

__all__ = ["FINDINGS", "landmarks_of_layer", "landmarks_of_units", "location_summary"]
