"""What And-Or graphs found: how well, with which templates, and where these find the part."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

_TRIAL = ["model", "category", "part", "shots", "layers"]
#: Templates that are drawn of a trial, and held-out crops of each.
_TEMPLATES, _VIEWS = 3, 5


def found_by_templates(run: str | Path) -> pl.DataFrame:
    """Return how far off And-Or graphs and baselines are: one row per model, category, part and method, the nearest first.

    Columns: model, category, part, shots, layers, method, patterns, distance, less, less_low, less_high, as of the table
    `aog_summary`.
    """
    rows = schemas.scan_aog_summary(run).sort(*_TRIAL, "distance", "method")
    return rows.select(*_TRIAL, "method", "patterns", "distance", "less", "less_low", "less_high").collect()


def templates(run: str | Path) -> pl.DataFrame:
    """Return the templates of the first draw of each trial: their patterns, and the held-out crops that they parse best.

    Columns: model, category, part, layers, template, its `patterns` and the highest `score` of a parse, and `views`: the
    annotated crop with the place of the part, then held-out crops with the place that is found.
    """
    keys = ["model", "category", "part", "shots", "layers", "template"]
    patterns = schemas.scan_aog_patterns(run).filter(draw=0)
    places = patterns.group_by(keys).agg(
        pl.len().alias("patterns"),
        (pl.col("y") + pl.col("displacement_y")).first().alias("part_y"),
        (pl.col("x") + pl.col("displacement_x")).first().alias("part_x"),
    )
    best = schemas.scan_aog_parse(run).filter(draw=0).sort("score", "view", descending=[True, False])
    best = best.group_by(keys).agg(pl.col("view", "y", "x", "score").head(_VIEWS))
    rows = places.join(best, on=keys).sort(*keys).collect()
    shown = [_shown(row) for row in rows.iter_rows(named=True)]
    of_trial = rows.with_columns(
        pl.Series("views", shown, dtype=pl.List(_VIEW)), pl.col("score").list.max().alias("score")
    )
    return (
        of_trial.group_by(keys[:-1], maintain_order=True)
        .head(_TEMPLATES)
        .select(*keys, "patterns", "score", "views")
        .with_columns(pl.col("template").cast(pl.String))
    )


_VIEW = pl.Struct({"view": pl.Int64, "y": pl.Float64, "x": pl.Float64, "says": pl.String})


def _shown(row: dict[str, object]) -> list[dict[str, object]]:
    first = {"view": row["template"], "y": row["part_y"], "x": row["part_x"], "says": "annotated"}
    parsed = zip(*(row[name] for name in ("view", "y", "x", "score")), strict=True)  # type: ignore[call-overload]
    others = [{"view": view, "y": y, "x": x, "says": f"{score:.1f}"} for view, y, x, score in parsed]
    return [first, *others]


FINDINGS = (
    Finding(
        "Parts found by And-Or graphs",
        ("aog_summary",),
        found_by_templates,
        note="Distance from the part's centre in diagonals of the input; less: by what share of the best baseline's distance, "
        "with a 95 % interval over sets of annotated images and images.",
    ),
    Finding(
        "Templates of And-Or graphs: the annotated crop, and the held-out crops that they score highest on",
        ("aog_parse", "aog_patterns"),
        templates,
        look="strips",
        note="The ring is where the part is annotated, or found. Templates of the first draw; a score says nothing without "
        "the distances above.",
        terminal=False,
    ),
)

__all__ = ["FINDINGS", "found_by_templates", "templates"]
