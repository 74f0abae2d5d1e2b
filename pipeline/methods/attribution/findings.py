"""What explanations of scores point at: every method beside the maps that it must beat."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.operators.attribution.curves import CURVES, FILLS
from filterscope.operators.localization.measures import interval
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from filterscope.pipeline.methods.attribution.explainers import BASELINES
from filterscope.pipeline.methods.method import Finding

_KEYS = ["model", "region", "method"]
#: Rank correlation above which a map is flagged as one that hardly depends on the weights.
_ALIKE = 0.5


def hits(run: str | Path) -> pl.DataFrame:
    """Return how often maps point at regions; columns as of `_beside`, a constant map being no hit."""
    return _beside(run, "hit")


def near_hits(run: str | Path) -> pl.DataFrame:
    """Return how often maps point at regions or fewer than 15 pixels from them; columns as of `_beside`."""
    return _beside(run, "hit15")


def lifts(run: str | Path) -> pl.DataFrame:
    """Return how much more of maps lies in regions than their area would have; columns as of `_beside`."""
    return _beside(run, "lift")


def _beside(run: str | Path, measure: str) -> pl.DataFrame:
    """Return the mean of a measure for each method, beside its controls.

    Returns
    -------
    polars.DataFrame
        One row per model, region and method that looks at a network, sorted: views; the mean with the ends of its 95 %
        interval, from a bootstrap over images; the means of the controls: the method itself on a random network, on the
        views of `control_views`, and centre, edges and random on all; how many those views are; and views whose map says
        nothing or is broken.
    """
    rows = (
        schemas.scan_attribution_scores(run).with_columns((pl.col("zero") | pl.col("broken")).alias("empty")).collect()
    )
    trained = rows.filter(network="trained")
    found = []
    for keys, own in trained.sort(*_KEYS, "view").group_by(_KEYS, maintain_order=True):
        known = own.drop_nulls(measure)
        low, high = _interval(known[measure].to_numpy(), known["image"].to_numpy())
        found.append(
            {
                **dict(zip(_KEYS, keys, strict=True)),
                "views": own.height,
                measure: known[measure].mean(),
                "low": low,
                "high": high,
                "empty": int(own["empty"].sum()),
            }
        )
    if not found:
        return pl.DataFrame()
    table, on = pl.DataFrame(found), ["model", "region"]
    random = rows.filter(network="random")
    table = table.join(_means(random, _KEYS, measure, "random network"), on=_KEYS, how="left")
    table = table.join(random.group_by(_KEYS).agg(pl.len().alias("on views")), on=_KEYS, how="left")
    for name in BASELINES:
        table = table.join(_means(rows.filter(method=name), on, measure, name), on=on, how="left")
    # a terminal that is too narrow leaves out what stands last
    last = ["empty", "on views"]
    return table.with_columns(pl.col("on views").fill_null(0)).select(pl.exclude(last), *last).sort(_KEYS)


def _means(rows: pl.DataFrame, on: Sequence[str], measure: str, name: str) -> pl.DataFrame:
    return rows.group_by(on).agg(pl.col(measure).mean().alias(name))


def _interval(values: np.ndarray, images: np.ndarray) -> tuple[float | None, float | None]:
    """Return the ends of the 95 % interval of a mean, images drawn anew with all their views; None on one image."""
    _, group = np.unique(images, return_inverse=True)
    count = int(group.max()) + 1 if len(group) else 0
    if count < 2:
        return None, None
    weights = poisson_weights(count, seed_of("attribution", "images")).astype(np.float64)
    sums = np.bincount(group, values, minlength=count) @ weights
    totals = np.bincount(group, minlength=count) @ weights
    return interval(np.divide(sums, totals, out=np.full(len(sums), np.nan), where=totals > 0))


def curves(run: str | Path) -> pl.DataFrame:
    """Return how fast the probability of the class falls and rises as pixels go and come in the order of a map.

    Returns
    -------
    polars.DataFrame
        One row per model and method, those that look at no network too, sorted: views, and for each of `CURVES` the mean area.
        `fills agree` says whether a method has the same place among the methods with both fills, in deletion and in
        insertion; where it has not, its place is that of the fill. Empty where no curves were measured.
    """
    rows = schemas.scan_attribution_scores(run).filter(pl.col("network") != "random").drop_nulls(CURVES[0])
    views = rows.unique(["model", "method", "view"], maintain_order=True)
    found = (
        views.group_by("model", "method")
        .agg(pl.len().alias("views"), pl.col(CURVES).mean())
        .sort("model", "method")
        .collect()
    )
    kinds = ("deletion", "insertion")
    same = [
        pl.col(f"{kind}_{FILLS[0]}").rank("min").over("model") == pl.col(f"{kind}_{FILLS[1]}").rank("min").over("model")
        for kind in kinds
    ]
    agree = pl.when(pl.all_horizontal(same)).then(pl.lit("yes")).otherwise(pl.lit("no"))
    return found.with_columns(agree.alias("fills agree")) if found.height else pl.DataFrame()


def sanity(run: str | Path) -> pl.DataFrame:
    """Return how much the maps of a method change when a network loses what it has learned.

    Returns
    -------
    polars.DataFrame
        One row per model, method and what was randomised, sorted: the mean rank correlation with the ends of its 95 %
        interval; `verdict`: too alike where the mean is beyond 0.5 in size; and views, of which `unknown` have a map that is
        the same everywhere.
    """
    keys = ["model", "method", "randomised"]
    rows = schemas.scan_attribution_sanity(run).sort(*keys, "view").collect()
    found = []
    for key, own in rows.group_by(keys, maintain_order=True):
        known = own.drop_nulls("rho")
        low, high = _interval(known["rho"].to_numpy(), known["image"].to_numpy())
        mean = known["rho"].mean()
        verdict = "unknown" if mean is None else "too alike" if abs(float(mean)) > _ALIKE else "changes"  # type: ignore[arg-type]
        found.append(
            {
                **dict(zip(keys, key, strict=True)),
                "rho": mean,
                "low": low,
                "high": high,
                "verdict": verdict,
                "views": own.height,
                "unknown": own.height - known.height,
            }
        )
    return pl.DataFrame(found)


def costs(run: str | Path) -> pl.DataFrame:
    """Return what maps cost, and how well methods that fit a model of the score fit it.

    Returns
    -------
    polars.DataFrame
        One row per model and method, sorted: views, forward passes a view, and the mean R^2, null where nothing is fitted.
    """
    views = schemas.scan_attribution_scores(run).filter(network="trained").unique(["model", "method", "view"])
    found = views.group_by("model", "method").agg(
        pl.len().alias("views"), pl.col("passes").mean().alias("passes a view"), pl.col("fit").mean().alias("fit")
    )
    return found.sort("model", "method").collect()


_CONTROLS = (
    "centre, edges and random look at no network; random network is the same method on weights in another order, on as many "
    "of the --attribution.control-views as show the region (on views), - where none does: then nothing tells what was learned. "
    "low and high: 95 % over images. empty: views whose map says nothing."
)

FINDINGS = (
    Finding(
        "Maps that point at a region: where scores come from",
        ("attribution_scores",),
        hits,
        note=_CONTROLS,
    ),
    Finding(
        "Maps that point near a region: fewer than 15 pixels from it",
        ("attribution_scores",),
        near_hits,
        note=_CONTROLS,
        terminal=False,
    ),
    Finding(
        "Maps that lie in a region: their share in it over its share of the image",
        ("attribution_scores",),
        lifts,
        note=f"1 is what a map without preference has. {_CONTROLS}",
    ),
    Finding(
        "Deletion and insertion: how the probability follows the pixels of largest value",
        ("attribution_scores",),
        curves,
        note="Area under the probability of the class: less is better in deletion, more in insertion. Centre, edges and random "
        "are the controls. Where fills do not agree, the place among the methods is that of the fill, not of the method.",
    ),
    Finding(
        "Maps of randomised networks: how like those of the trained one they are",
        ("attribution_sanity",),
        sanity,
        note="Spearman's rank correlation; maps that have nothing to do with each other have 0. Beyond 0.5 a map shows the "
        "image more than what the network has learned.",
    ),
    Finding("What explanations cost", ("attribution_scores",), costs, note="A way back counts as two forward passes."),
)

__all__ = ["FINDINGS", "costs", "curves", "hits", "lifts", "near_hits", "sanity"]
