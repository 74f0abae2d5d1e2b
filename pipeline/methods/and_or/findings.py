"""What And-Or graphs found: how well, with which templates, and where these find the part."""

from pathlib import Path

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.operators.and_or.asking import STRATEGIES
from filterscope.operators.localization.measures import image_means, interval
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
    parsed = zip(*(row[name] for name in ("view", "y", "x", "score")), strict=True)
    others = [{"view": view, "y": y, "x": x, "says": f"{score:.1f}"} for view, y, x, score in parsed]
    return [first, *others]


def standards(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return what the filters of a layer are standardised by: columns model, layer, category, filters, silent, mean, deviation.

    `silent` are those without any deviation; `mean` and `deviation` are medians over the filters.
    """
    rows = schemas.scan_layer(run, "aog_units", model, layer).group_by("model", "layer", "category")
    counts = pl.len().cast(pl.Int64).alias("filters"), (pl.col("deviation") == 0).sum().cast(pl.Int64).alias("silent")
    return rows.agg(*counts, pl.col("mean", "deviation").median()).sort("category").collect()


_ASKED = ["model", "category", "part", "layers"]


def error_against_answers(run: str | Path) -> pl.DataFrame:
    """Return the mean distance after each number of answers by each strategy, over seeds, with a 95 % interval.

    Columns: model, category, part, layers, answers, and for each strategy its distance, and `STRATEGY low` and `high`.
    """
    rows = schemas.scan_questions(run).sort(*_ASKED, "strategy", "question", "seed").collect()
    found = []
    for names, of_trial in rows.group_by(*_ASKED, "question", maintain_order=True):
        row: dict[str, object] = dict(zip((*_ASKED, "answers"), names, strict=True))
        for strategy in STRATEGIES:
            mine = of_trial.filter(strategy=strategy)
            values, seeds = mine["distance"].to_numpy(), mine["seed"].to_numpy()
            low, high = interval(image_means(values, seeds, 0))
            row |= {strategy: float(values.mean()), f"{strategy} low": low, f"{strategy} high": high}
        found.append(row)
    numbers = [f"{strategy}{end}" for strategy in STRATEGIES for end in ("", " low", " high")]
    schema = dict.fromkeys(_ASKED, pl.String) | {"answers": pl.Int64} | dict.fromkeys(numbers, pl.Float64)
    return pl.DataFrame(found, schema=schema).sort(*_ASKED, "answers")


def strategies(run: str | Path) -> pl.DataFrame:
    """Return what each strategy's questions come to, beside questions at random about the same pools.

    Columns: model, category, part, layers, strategy, seeds, answers; `error`, the mean distance over all numbers of answers
    (the area under the curve); `less`, by what share that is below random's, with a 95 % interval over seeds; `needed`,
    answers until the mean distance is that of random's last; and the share of answers of each kind.
    """
    rows = schemas.scan_questions(run).collect()
    found = []
    for names, of_trial in rows.group_by(*_ASKED, maintain_order=True):
        area = of_trial.group_by("strategy", "seed").agg(pl.col("distance").mean()).sort("strategy", "seed")
        curve = of_trial.group_by("strategy", "question").agg(pl.col("distance").mean()).sort("strategy", "question")
        seeds = area.filter(strategy="random")["seed"].to_numpy()
        chance = area.filter(strategy="random")["distance"].to_numpy()
        last = curve.filter(strategy="random")["distance"][-1]
        for strategy in STRATEGIES:
            mine, own = of_trial.filter(strategy=strategy), area.filter(strategy=strategy)["distance"].to_numpy()
            reached = curve.filter(pl.col("distance") <= last, strategy=strategy)["question"]
            less: tuple[float | None, ...] = (None, None, None)
            if strategy != "random" and chance.mean() > 0:
                others = image_means(chance, seeds, 0)
                drawn = 1 - image_means(own, seeds, 0) / np.where(others > 0, others, np.nan)
                less = (1 - float(own.mean() / chance.mean()), *interval(drawn))
            given = mine["answer"].to_numpy()
            kinds = {kind: float((given == kind).mean()) for kind in _KINDS}
            found.append(
                dict(zip(_ASKED, names, strict=True))
                | {"strategy": strategy, "seeds": len(seeds), "answers": int(curve["question"].max())}  # type: ignore[arg-type]
                | {"error": float(own.mean()), **dict(zip(("less", "less_low", "less_high"), less, strict=True))}
                | {"needed": int(reached[0]) if len(reached) else None, **kinds}
            )
    schema: dict[str, type[pl.DataType]] = {**dict.fromkeys([*_ASKED, "strategy"], pl.String)}
    schema |= {"seeds": pl.Int64, "answers": pl.Int64}
    schema |= dict.fromkeys(["error", "less", "less_low", "less_high"], pl.Float64) | {"needed": pl.Int64}
    return pl.DataFrame(found, schema=schema | dict.fromkeys(_KINDS, pl.Float64)).sort(*_ASKED, maintain_order=True)


_KINDS = ("right", "place", "other", "new")

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
    Finding(
        "Standards of And-Or graphs: what activations of a filter are divided by",
        ("aog_units",),
        standards,
        per="layer",
        note="Medians over the filters of mean and deviation, on views without objects or, where there are none, on the crops.",
    ),
    Finding(
        "Questions about parts: what strategies learn of the same pools",
        ("questions",),
        strategies,
        note="A simulated person answers. Error: mean distance over all numbers of answers, in diagonals; less: by what share "
        "that is below random's, with a 95 % interval over pools; needed: answers until random's last error is reached.",
    ),
    Finding(
        "Error against answers",
        ("questions",),
        error_against_answers,
        look="lines",
        note="Mean distance on held-out crops after each answer; bands are 95 % intervals over pools.",
        terminal=False,
    ),
)

__all__ = ["FINDINGS", "error_against_answers", "found_by_templates", "standards", "strategies", "templates"]
