"""What a run says about the patterns that filters mix: how many filters mix how many, and how steady the largest ones are."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.operators.location.location_instability import PROTOCOLS, Comparison, compare, crop_centre
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from filterscope.pipeline.datasets.layout import MANIFEST
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.views.sightings import open_sightings

_KEYS = ("model", "layer")
_LEVEL = 0.05
_INPUT = ("input_height", "input_width")
_ONE = "A filter whose peaks form one cluster has one pattern; a second counts only where BIC falls and a dip lies between."
#: Views that are shown of a pattern.
_SHOWN = 6
_NUMBERS = ("patterns", "fixed", "own mean", "beat", "tracking")
_STEADINESS = (
    dict.fromkeys((*_KEYS, "category", "landmark"), pl.String)
    | {"filters": pl.Int64()}
    | dict.fromkeys(_NUMBERS, pl.Float64())
)


def patterns_per_unit(run: str | Path) -> pl.DataFrame:
    """Return how many filters of each layer mix how many patterns: model, layer, patterns, filters.

    `patterns` is null for filters with too few peaks to tell. Empty if the run has no patterns.
    """
    units = schemas.scan_unit_patterns(run)
    return units.group_by(*_KEYS, "patterns").len("filters").sort(*_KEYS, "patterns", nulls_last=True).collect()


def pattern_summary(run: str | Path) -> pl.DataFrame:
    """Summarise the patterns of a run, empty if it has none: one row per model and layer.

    Its columns: filters; how many mix `one`, `two`, `three`, and four or `more` patterns, and how many have `too few peaks`;
    `mean` patterns of the others, their median number of peaks, and the median share of the largest pattern among those that
    mix two and more.
    """
    units = schemas.scan_unit_patterns(run)
    count = pl.col("patterns")
    exactly = {"one": count == 1, "two": count == 2, "three": count == 3, "more": count > 3}
    mixed = schemas.scan_patterns(run).filter(pl.col("pattern") == 0, pl.col("share") < 1)
    largest = mixed.group_by(_KEYS).agg(pl.col("share").median().alias("largest share"))
    found = units.group_by(_KEYS).agg(
        pl.len().alias("filters"),
        *(which.sum().alias(name) for name, which in exactly.items()),
        count.is_null().sum().alias("too few peaks"),
        count.mean().alias("mean"),
        pl.col("peaks").filter(count.is_not_null()).median().alias("median peaks"),
    )
    return found.join(largest, on=_KEYS, how="left").sort(_KEYS).collect()


def pattern_instability(run: str | Path) -> pl.DataFrame:
    """Measure how steady each filter's largest pattern is beside landmarks: one row per model, layer, category and landmark.

    Of the at most 100 views listed of a pattern those that show the landmark once count, as in the protocol survey.

    Parameters
    ----------
    run : path
        A run with patterns, of a data set with landmarks; best with object crops as views.

    Returns
    -------
    polars.DataFrame
        `filters` with a result; mean instability of their largest patterns (`patterns`), and on the same views of the crop's
        centre (`fixed`) and of each pattern's mean position (`own mean`); share of patterns that beat `own mean` with p < .05
        (`beat`); median `tracking`. Empty without landmarks.
    """
    plan = RunFolder.existing(run).plan()
    found = [steadiness(run, model.name, layer.name) for model in plan.models for layer in model.layers]
    return pl.concat(found) if found else pl.DataFrame(schema=_STEADINESS)


def steadiness(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return `pattern_instability` of one layer; empty, too, where the data set is no longer there."""
    plan, rows = RunFolder.existing(run).plan(), []
    view, place = _listed(run, model, layer)
    if len(view) and (plan.data / MANIFEST).is_file():
        geometry = plan.model(model).geometry(plan.options.geometry)
        sightings = open_sightings(plan.data, plan.data_identity, plan.options.view_settings, geometry)
        groups = plan.views.group[view].astype(np.int64)
        for stratum, (category, landmark) in enumerate(sightings.strata):
            found = _compared(place, sightings.places(stratum, view), groups, geometry.size)
            if not np.isnan(found.instability).all():
                rows.append((model, layer, category, landmark, *_means(found)))
    return pl.DataFrame(rows, schema=_STEADINESS, orient="row")


def _listed(run: str | Path, model: str, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """Return views (R, 100) and places (R, 100, 2) that are listed of the largest patterns of R filters; -1 and NaN after."""
    largest = schemas.scan_layer(run, "patterns", model, layer).filter(pattern=0).sort("unit").collect()
    view, place = np.full((largest.height, 100), -1), np.full((largest.height, 100, 2), np.nan)
    for row, peaks in enumerate(largest["top_images"].to_list()):
        view[row, : len(peaks)] = [peak["view"] for peak in peaks]
        place[row, : len(peaks)] = [(peak["y"], peak["x"]) for peak in peaks]
    return view, place


@lru_cache(maxsize=1)
def _weights() -> np.ndarray:
    return poisson_weights(100, seed_of("pattern_instability", "bootstrap"))


def _compared(place: np.ndarray, landmark: np.ndarray, images: np.ndarray, extent: tuple[int, int]) -> Comparison:
    seen = ~np.isnan(landmark[..., :1]) & ~np.isnan(place[..., :1])
    mean = np.where(seen, place, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    baselines = [np.broadcast_to(crop_centre(extent), place.shape), np.broadcast_to(mean[:, None], place.shape)]
    return compare(place, landmark, np.stack(baselines, axis=2), images, extent, PROTOCOLS["survey"], _weights())


def _means(found: Comparison) -> tuple[int, float, float, float, float, float]:
    some = ~np.isnan(found.instability)
    fixed, own = found.baselines[some].mean(axis=0).tolist()
    beat = float((found.p_value[some, 1] < _LEVEL).mean())
    return int(some.sum()), found.instability[some].mean(), fixed, own, beat, np.nanmedian(found.tracking[some])


def peaks_of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return how many patterns each unit of a layer mixes, and of how many peaks: one row per unit, as in `unit_patterns`."""
    columns = ["model", "layer", "unit", "patterns", "gaussians", "gain", "peaks", "left_out", "axes", "reason"]
    return schemas.scan_layer(run, "unit_patterns", model, layer).sort("unit").select(columns).collect()


def patterns_of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the patterns of each unit of a layer, largest first, with the strongest of their listed views.

    Columns: model, layer, unit, pattern, ``share`` of the peaks, ``spread``, ``spread if strewn`` evenly over the input,
    mean ``row``, ``column`` and ``activation``, ``peaks``, ``images``, and ``views``: a list of peaks, best first.
    """
    inputs = schemas.scan_models(run).filter(model=model).select("model", *_INPUT).unique()
    strewn = ((pl.col("input_height") ** 2 + pl.col("input_width") ** 2) / 24).sqrt()
    return (
        schemas.scan_layer(run, "patterns", model, layer)
        .join(inputs, on="model", how="left")
        .sort("unit", "pattern")
        .select(
            "model",
            "layer",
            "unit",
            "pattern",
            "share",
            "spread",
            strewn.alias("spread if strewn"),
            pl.col("mean_y").alias("row"),
            pl.col("mean_x").alias("column"),
            pl.col("mean_activation").alias("activation"),
            "peaks",
            "images",
            pl.col("top_images").list.head(_SHOWN).alias("views"),
        )
        .collect()
    )


def counts_of_layer(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return how many filters of a layer mix how many patterns: model, layer, patterns, filters, ``share`` of all filters.

    `patterns` is text, largest number last; filters with too few peaks to tell come after.
    """
    units = schemas.scan_layer(run, "unit_patterns", model, layer)
    counted = units.group_by(*_KEYS, "patterns").len("filters").sort("patterns", nulls_last=True).collect()
    text = pl.col("patterns").cast(pl.String).fill_null("too few peaks")
    share = pl.col("filters") / pl.col("filters").sum()
    return counted.with_columns(text, pl.col("filters").cast(pl.Int64), share.alias("share"))


FINDINGS = (
    Finding(
        "Patterns: how many kinds of pattern the peaks of a filter are clusters of",
        ("unit_patterns", "patterns"),
        pattern_summary,
        note=_ONE,
    ),
    Finding("Patterns of its filters", ("unit_patterns",), counts_of_layer, per="layer", look="bars", note=_ONE),
    Finding(
        "Largest patterns beside landmarks",
        ("patterns",),
        steadiness,
        per="layer",
        note="Mean location instability of each filter's largest pattern, beside that of the crop's centre (fixed) and of the "
        "pattern held at its mean position (own mean); `beat` is the share of patterns that are steadier than their own mean, "
        "p < .05, of which 0.05 would be by chance.",
    ),
    Finding(
        "Patterns",
        ("patterns", "models"),
        patterns_of_units,
        per="unit",
        look="strips",
        note="Clusters of the filter's peaks by place and local features, with its strongest views of each; a ring marks the "
        "peak. Peaks strewn evenly over the input would spread as wide as stated; places are input pixels.",
    ),
    Finding(
        "Peaks",
        ("unit_patterns",),
        peaks_of_units,
        per="unit",
        note=f"{_ONE} `gain` is how far BIC falls below one Gaussian.",
    ),
)

__all__ = [
    "FINDINGS",
    "counts_of_layer",
    "pattern_instability",
    "pattern_summary",
    "patterns_of_units",
    "patterns_per_unit",
    "peaks_of_units",
    "steadiness",
]
