"""What a run says about where units look: displacement and tracking first, then location instability beside its baselines."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

#: Probability, at most, that a unit as unsteady as a baseline counts as steadier.
LEVEL = 0.05

_STRATUM = ("category", "landmark")
_LEADS = (pl.col("displacement"), pl.col("constant").alias("of a constant"), pl.col("tracking"))
_TRIGGERED = (
    pl.col("triggered_tracking").alias("tracking where triggered"),
    pl.col("triggered_instability").alias("instability where triggered"),
    pl.col("triggered_share").alias("triggered"),
)
_BASELINES = (pl.col("fixed").alias("centre"), pl.col("uniform").alias("random"))
_STEADIER = (
    pl.col("beats_fixed").alias("steadier than centre"),
    pl.col("beats_uniform").alias("steadier than random"),
)


def location_summary(run: str | Path) -> pl.DataFrame:
    """Summarise the location instability of a run, empty if it has none: one row per model, layer and category.

    Its columns: units; tracking at the 10th, 50th and 90th percentile of unit and landmark; mean over units of the mean over
    landmarks of `displacement`, that `of a constant`, `instability`, `fixed` and `uniform`; `steadier`, the units that beat
    both baselines on some landmark (the larger p value, times the number of landmarks, below 0.05); the median over units
    of `follows shift`, null where the method `shift` was not run.
    """
    rows = schemas.scan_location_instability(run)
    keys = ["model", "layer", "category"]
    deviations = ["displacement", "constant", "instability", "fixed", "uniform"]
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
    found = found.join(tracking, on=keys, how="left", nulls_equal=True).sort(keys)
    moved = schemas.scan_follows_shift(run).group_by(keys).agg(pl.col("follows_shift").median().alias("follows shift"))
    found = found.join(moved, on=keys, how="left", nulls_equal=True).sort(keys)
    found = found.select(
        *keys, "units", pl.selectors.starts_with("tracking_"), *deviations, "steadier", "follows shift"
    )
    return found.rename({"constant": "of a constant"}).collect()


def landmarks_of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return how steady each unit of a layer is beside each landmark, with its baselines.

    Columns: model, layer, unit, category, landmark, displacement, that ``of a constant``, tracking, instability,
    ``centre``, ``random``, ``images``, tracking and instability where it is triggered with the share of such images, and
    whether it is ``steadier than centre`` and ``steadier than random``; ``follows shift`` where that was measured.
    """
    keys = ["unit", "category"]
    moved = schemas.scan_layer(run, "follows_shift", model, layer)
    return (
        schemas.scan_layer(run, "location_instability", model, layer)
        .join(
            moved.select(*keys, pl.col("follows_shift").alias("follows shift")), on=keys, how="left", nulls_equal=True
        )
        .sort("unit", "category", "landmark")
        .select(
            "model",
            "layer",
            "unit",
            *_STRATUM,
            *_LEADS,
            "instability",
            *_BASELINES,
            "images",
            *_TRIGGERED,
            *_STEADIER,
            "follows shift",
        )
        .collect()
    )


def landmarks_of_layer(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return how steady the units of a layer are, and how many beat both baselines.

    Columns: model, layer, category, landmark, ``units`` with a result, medians of tracking, also where units are triggered,
    and the share of units that track at all; means of displacement, that ``of a constant``, instability, ``centre``,
    ``random`` and of the share of images that trigger a unit; ``steadier`` units.
    """
    rows = schemas.scan_layer(run, "location_instability", model, layer).filter(pl.col("instability").is_not_null())
    return (
        rows.sort("unit")
        .group_by("model", "layer", *_STRATUM)
        .agg(
            pl.len().alias("units"),
            pl.col("tracking").median(),
            (pl.col("tracking") > 0).mean().alias("units that track"),
            *(value.mean() for value in _LEADS[:2]),
            pl.col("instability").mean(),
            *(baseline.mean() for baseline in _BASELINES),
            (pl.col("beats_fixed") & pl.col("beats_uniform")).sum().alias("steadier"),
            *(value.median() for value in _TRIGGERED[:2]),
            _TRIGGERED[2].mean(),
        )
        .sort("category", "landmark")
        .collect()
    )


_TABLES = ("location_instability", "follows_shift")
_NOTE = (
    "Displacement: the deviation of the vector to a landmark, in diagonals of the view, beside that of any constant position; "
    "tracking is 0 for a constant and 1 for a follower. Location instability is the deviation of the distance alone, beside "
    "that of a dot at the centre and of random positions: where landmarks lie on a ring about the centre, it is low for the "
    "dot too. An image triggers a unit if it responds at least half as strongly as on its 20 best."
)

FINDINGS = (
    Finding(
        "Where units look: tracking and displacement of landmarks, and location instability beside constants",
        _TABLES,
        location_summary,
        note="Tracking is 0 for a constant position and 1 for a follower; displacement of units stands beside that of a "
        "constant. Instability, lower is steadier, hides what is constant: a dot at the centre is `fixed`, positions drawn "
        "over the view are `uniform`; `steadier` units beat both with p < .05.",
    ),
    Finding(
        "Where its units look",
        _TABLES,
        landmarks_of_layer,
        per="layer",
        note=f"Means over units; medians of tracking. {_NOTE}",
    ),
    Finding("Where it looks", _TABLES, landmarks_of_units, per="unit", note=_NOTE),
)

__all__ = ["FINDINGS", "landmarks_of_layer", "landmarks_of_units", "location_summary"]
