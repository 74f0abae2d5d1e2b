"""What is known of blind spots: partitions beside all confident views, policies beside each other, features beside chance."""

from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import hypergeom

from filterscope import schemas
from filterscope.operators.blind_spots.discovery import POLICIES, SORTS
from filterscope.operators.statistics.wilson import wilson
from filterscope.pipeline.methods.blind_spots.discovery import curves_of
from filterscope.pipeline.methods.method import Finding
from filterscope.schemas.blind_spots import latest_answers

_KEYS = ["model", "class", "method"]
#: Partitions of a class that are shown, members of each, features of each, and those that stand beside its members.
_PARTITIONS, _MEMBERS, _FEATURES, _COMMON = 10, 8, 5, 3
#: Largest corrected p value of a feature that is shown.
_SIGNIFICANT = 0.05
_BANDITS = [name for name in POLICIES if name != "random" and name not in SORTS]
#: Points of a curve that are shown.
_POINTS = 15
#: Standard errors over the trials that a policy must be above random by.
_CLEAR = 2.0


def _ranked(run: str | Path) -> pl.DataFrame:
    """Return partitions with the shares of all views of their class, those that are surely wrong most often first."""
    found = schemas.scan_partitions(run).collect()
    every = found.group_by(_KEYS).agg(
        pl.col("wrong").sum().alias("_wrong"), pl.col("labelled").sum().alias("_labelled")
    )  # fmt: skip
    share = pl.when(pl.col("labelled") > 0).then(pl.col("wrong") / pl.col("labelled")).alias("share wrong")
    whole = pl.when(pl.col("_labelled") > 0).then(pl.col("_wrong") / pl.col("_labelled")).alias("of all views")
    joined = found.join(every, on=_KEYS, how="left").with_columns(share, whole)
    order = [*_KEYS, "wrong_low", "confidence", "partition"]
    return joined.sort(order, descending=[name == "wrong_low" for name in order], nulls_last=True)


def _named(run: str | Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Put the name of a class behind its index."""
    names = schemas.scan_classes(run).select("model", pl.col("index").cast(pl.String).alias("class"), "name").collect()
    joined = frame.join(names, on=["model", "class"], how="left", maintain_order="left")
    plain = pl.col("name").is_null() | (pl.col("name") == pl.col("class"))
    said = pl.when(plain).then("class").otherwise(pl.format("{} {}", "class", "name"))
    return joined.with_columns(said.alias("class")).drop("name")


def partitions(run: str | Path) -> pl.DataFrame:
    """Return partitions with random members of each.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        At most ten rows per model, critical class and way of partitioning: those whose share of wrong views, by the true
        classes on file, is surely highest (lower end of its interval) first; without such classes the least confident first.
        `members`; `share wrong` with its 95 % interval, beside that `of all views`; `purity` and `entropy`, null without
        true classes on file; `in common`, at most three features that members have more often than chance (q <= 0.05), the
        surest first; `answered` and `answered wrong`, by a person alone; and `views`, eight random members.
    """
    found = _ranked(run).group_by(_KEYS, maintain_order=True).head(_PARTITIONS)
    on = [*_KEYS, "partition"]
    own = schemas.scan_partition_members(run).sort(*on, "rank").group_by(on, maintain_order=True).agg(
        pl.col("asked").sum().alias("answered"),
        pl.col("answered_wrong").sum().alias("answered wrong"),
        pl.col("view").head(_MEMBERS).alias("random members"),
    )  # fmt: skip
    common = _over(run, on).group_by(on).agg(pl.col("feature").head(_COMMON).str.join(", ").alias("in common"))
    joined = found.join(own.collect(), on=on, how="left", maintain_order="left")
    joined = joined.join(common, on=on, how="left", maintain_order="left")
    shown = joined.select(
        *on, "pattern", pl.col("views").alias("members"), "confidence", "share wrong",
        pl.col("wrong_low").alias("low"), pl.col("wrong_high").alias("high"), "of all views", "purity", "entropy",
        "in common", "answered", "answered wrong", pl.col("random members").alias("views"),
    )  # fmt: skip
    return _named(run, shown)


def _means(run: str | Path) -> pl.DataFrame:
    """Return the mean over trials of what each policy found, a column each."""
    rows = schemas.scan_discovery(run).group_by(*_KEYS, "question", "policy").agg(pl.col("found").mean()).collect()
    if rows.is_empty():
        return pl.DataFrame()
    wide = rows.pivot("policy", index=[*_KEYS, "question"], values="found")
    return wide.select(*_KEYS, "question", *POLICIES).sort(*_KEYS, "question")


def curves(run: str | Path) -> pl.DataFrame:
    """Return the unknown unknowns that each policy found by each question.

    Returns
    -------
    polars.DataFrame
        One row per model, critical class and way of partitioning for each of about fifteen numbers of questions, the last
        among them: for each policy the mean over its trials, and in `random low` and `random high` the 95 % interval of what
        one person finds who asks at random, which is exact.
    """
    means = _means(run)
    if means.is_empty():
        return means
    rows = means.filter(_some(_KEYS)).join(_labelled(run), on=_KEYS, how="left", maintain_order="left")
    return _named(run, _beside_random(rows).drop("labelled", "wrong"))


def _labelled(run: str | Path) -> pl.DataFrame:
    """Return how many views of a critical class have a true class on file, and how many of these are wrong."""
    return schemas.scan_partitions(run).group_by(_KEYS).agg(pl.col("labelled").sum(), pl.col("wrong").sum()).collect()


def _beside_random(rows: pl.DataFrame) -> pl.DataFrame:
    """Put the interval of random beside its mean: what it finds is drawn without replacement, so hypergeometric."""
    drawn = [rows[name].to_numpy() for name in ("labelled", "wrong", "question")]
    ends = [
        pl.Series(f"random {end}", hypergeom.ppf(share, *drawn).astype(np.int64))
        for end, share in (("low", 0.025), ("high", 0.975))
    ]
    place = rows.columns.index("random") + 1
    return rows.select(*rows.columns[:place], *ends, *rows.columns[place:])


def _some(keys: list[str]) -> pl.Expr:
    """Return which numbers of questions are points of a curve."""
    last = pl.col("question").max().over(keys)
    return (last - pl.col("question")) % (last / _POINTS).ceil().cast(pl.Int64) == 0


def verdicts(run: str | Path) -> pl.DataFrame:
    """Return which policy found most unknown unknowns with all questions.

    Returns
    -------
    polars.DataFrame
        One row per model, critical class and way of partitioning: labelled views and the unknown unknowns among them;
        questions; for each policy the mean over its trials; `+-`, the standard deviation over the trials of random; and the
        `verdict`, which is for a bandit only where it beats both random and the sorts.
    """
    means = _means(run)
    if means.is_empty():
        return means
    last = means.group_by(_KEYS, maintain_order=True).last()
    final = schemas.scan_discovery(run).filter(pl.col("policy") == "random").group_by(*_KEYS, "seed")
    trials = final.agg(pl.col("found").max()).group_by(_KEYS)
    spread = trials.agg(pl.col("found").std().alias("+-"), pl.len().alias("trials"))
    joined = last.join(_labelled(run), on=_KEYS).join(spread.collect(), on=_KEYS).sort(_KEYS)
    said = [_verdict(row) for row in joined.iter_rows(named=True)]
    shown = joined.select(
        *_KEYS, pl.col("labelled").alias("views"), pl.col("wrong").alias("unknown unknowns"),
        pl.col("question").alias("questions"), *POLICIES, "+-", pl.Series("verdict", said, pl.String),
    )  # fmt: skip
    return _named(run, shown)


def _verdict(row: dict[str, float]) -> str:
    """Say which policy finds most; of equals the simple one."""
    best, sort = (max(names, key=lambda name: row[name]) for names in (_BANDITS, SORTS))
    clear = row["random"] + _CLEAR * row["+-"] / row["trials"] ** 0.5
    if row[sort] >= row[best] and row[sort] > clear:
        return f"a simple sort wins: {sort.replace('-', ' ')} first"
    if row[best] > clear:
        return f"{best} finds most"
    return "none beats random"


def _over(run: str | Path, on: list[str]) -> pl.DataFrame:
    """Return the features that partitions have more often than chance, the surest of each first."""
    return schemas.scan_blind_spots(run).filter(pl.col("q") <= _SIGNIFICANT).sort(*on, "q", "feature").collect()


def features(run: str | Path) -> pl.DataFrame:
    """Return the attributes, concepts and detectors that partitions have more often than chance.

    Returns
    -------
    polars.DataFrame
        At most five features with q <= 0.05 of each partition that `partitions` shows: members with it, how many are
        `expected` of as many random views, lift and q.
    """
    shown = _ranked(run).group_by(_KEYS, maintain_order=True).head(_PARTITIONS)
    on = [*_KEYS, "partition"]
    own = _over(run, on).group_by(on, maintain_order=True).head(_FEATURES)
    joined = shown.select(*on, "pattern", "share wrong", "of all views").join(
        own, on=on, how="inner", maintain_order="left_right"
    )
    columns = (*on, "pattern", "share wrong", "of all views", "feature", "views", "expected", "lift", "q")
    return _named(run, joined.select(columns))


def answered(run: str | Path) -> pl.DataFrame:
    """Return what a person answered.

    Returns
    -------
    polars.DataFrame
        One row per model with answers: answers, those that were unsure, those that call the prediction wrong, their share of
        the others and its 95 % interval. A policy chose what was asked, so that the share is none of all views.
    """
    found = latest_answers(schemas.scan_answers(run)).group_by("model").agg(
        pl.len().alias("answers"), pl.col("wrong").null_count().alias("unsure"), pl.col("wrong").sum()
    )  # fmt: skip
    rows = found.sort("model").collect()
    sure = rows["answers"] - rows["unsure"]
    low, high = wilson(rows["wrong"].to_numpy().astype(np.int64), sure.to_numpy().astype(np.int64))
    share = pl.when(sure > 0).then(pl.col("wrong") / sure).alias("share wrong")
    return rows.with_columns(share, pl.Series("low", low), pl.Series("high", high))


def answered_curves(run: str | Path) -> pl.DataFrame:
    """Return how fast each policy would have found, among the answered views alone, those that are wrong.

    Returns
    -------
    polars.DataFrame
        One row per model and number of questions, as of `curves`; of models with a wrong answer and a right one.
    """
    answers = (
        schemas.scan_partition_members(run)
        .filter(pl.col("method") == "clusters", pl.col("answered_wrong").is_not_null())
        .sort("model", "view")
        .collect()
    )
    parts = []
    for (model,), own in answers.group_by("model", maintain_order=True):
        if own["answered_wrong"].n_unique() < 2:
            continue
        counts = curves_of(own, own["answered_wrong"], len(own), str(model))
        means = {policy: found.mean(axis=0) for policy, found in counts.items()}
        whole = {"model": model, "question": np.arange(1, len(own) + 1), **means}
        rows = pl.DataFrame(whole).with_columns(labelled=len(own), wrong=own["answered_wrong"].sum())
        parts.append(_beside_random(rows.filter(_some(["model"]))).drop("labelled", "wrong"))
    return pl.concat(parts) if parts else pl.DataFrame()


FINDINGS = (
    Finding(
        "Unknown unknowns found: with all questions, by policy",
        ("discovery", "partitions"),
        verdicts,
        note="An unknown unknown is a confident prediction that is wrong. Numbers are means over 20 trials; +- is the standard "
        "deviation of random's. Random and the sorts, by confidence and by distance, know no partitions: a bandit is worth "
        "its trouble only where it beats them.",
    ),
    Finding(
        "Unknown unknowns against questions",
        ("discovery",),
        curves,
        look="lines",
        note="By the true classes on file, mean over 20 trials. Dashed: views asked about at random, with the 95 % interval of "
        "one such trial.",
        terminal=False,
    ),
    Finding(
        "Partitions that are wrong most often",
        ("partitions", "partition_members", "blind_spots", "answers"),
        partitions,
        look="strips",
        bars=("share wrong", "purity"),
        note="Confident views of a class, in clusters of activations and in descriptive patterns, with random members of each. "
        "The share that is wrong is of views with a true class on file, beside that of all views of the class; answered are "
        "those a person was asked about, by a policy, and never mixed in.",
        terminal=False,
    ),
    Finding(
        "What these partitions have in common",
        ("blind_spots", "partitions"),
        features,
        note="Features that more members have than of as many random views (expected); q is corrected for all partitions and "
        "features. At most five of each partition.",
        terminal=False,
    ),
    Finding(
        "Answers to questions of `filterscope ask`",
        ("answers",),
        answered,
        note="A policy chose the questions, so the share wrong is not that of all views.",
    ),
    Finding(
        "Answers: wrong ones against questions",
        ("answers", "partition_members"),
        answered_curves,
        look="lines",
        note="What each policy would have found among the answered views alone, mean over 20 trials. Which were answered, "
        "another policy chose. Dashed: at random, with its 95 % interval.",
        terminal=False,
    ),
)

__all__ = ["FINDINGS", "answered", "answered_curves", "curves", "features", "partitions", "verdicts"]
