"""What a run says about whole networks: how often they are right, beside chance and a constant answer; how sure they are."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

#: Classes of highest score among which the true one counts as found.
_TOP = 5
#: Probability from which a prediction counts as confident.
_CONFIDENT = 0.9


def accuracy(run: str | Path) -> pl.DataFrame:
    """Return how often the true class is the one of highest score, or among the five highest.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model with true classes, sorted: images and views whose true class is known, number of classes; top-1 and
        its standard error over images, beside chance, 1 / classes, and the share of the commonest class, which a constant
        answer reaches; the same of top-5. An image weighs as its views do.
    """
    keys = ["model"]
    true = (
        schemas.scan_outputs(run).filter("true").with_columns((pl.col("rank") < k).alias(f"top-{k}") for k in (1, _TOP))
    )
    classes = schemas.scan_classes(run).group_by(keys).agg(pl.len().alias("classes"))
    found = true.group_by(keys).agg(
        pl.col("image").n_unique().alias("images"),
        pl.len().alias("views"),
        pl.col("top-1").mean(),
        _commonest(1),
        pl.col(f"top-{_TOP}").mean(),
        _commonest(_TOP),
    )
    joined = found.join(classes, on=keys, how="left").join(_standard_errors(true), on=keys, how="left")
    chance = {k: pl.min_horizontal(pl.lit(k), "classes") / pl.col("classes") for k in (1, _TOP)}
    return (
        joined.select(
            "model", "images", "views", "classes",
            "top-1", "+-", chance[1].alias("chance"), pl.col("commonest 1").alias("constant"),
            f"top-{_TOP}", chance[_TOP].alias(f"chance of {_TOP}"), pl.col(f"commonest {_TOP}").alias(f"constant {_TOP}"),
        )
        .sort("model")
        .collect()
    )  # fmt: skip


def _standard_errors(true: pl.LazyFrame) -> pl.LazyFrame:
    """Return the standard error of top-1 of each model over images, each with all of its views; null for one image."""
    images = true.group_by("model", "image").agg(pl.col("top-1").sum().alias("right"), pl.len().alias("views"))
    off = pl.col("right") - pl.col("right").sum() / pl.col("views").sum() * pl.col("views")
    error = ((off**2).sum() * pl.len() / (pl.len() - 1)).sqrt() / pl.col("views").sum()
    return images.group_by("model").agg(pl.when(pl.len() > 1).then(error).alias("+-"))


def _commonest(count: int) -> pl.Expr:
    """Return the share of views whose true class is among the `count` commonest."""
    return (pl.col("class").value_counts(sort=True).struct.field("count").head(count).sum() / pl.len()).alias(
        f"commonest {count}"
    )


def confidence(run: str | Path) -> pl.DataFrame:
    """Return how sure networks are of the class of highest score.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model, sorted: views; mean and median of the highest probability; the share of views where it is at least
        0.9; and over views whose true class is known, the mean highest probability minus the share that is right
        (`overconfidence`, null where no true class is known). A network that does not look has a mean of 1 / classes.
    """
    outputs, keys = schemas.scan_outputs(run), ["model", "view"]
    best = outputs.filter(pl.col("rank") == 0)
    right = outputs.filter("true").select(*keys, (pl.col("rank") == 0).alias("right"))
    best = best.join(right, on=keys, how="left")
    sure = pl.col("probability").cast(pl.Float64)
    known = pl.col("right").is_not_null()
    found = best.group_by("model").agg(
        pl.len().alias("views"),
        sure.mean().alias("mean probability"),
        sure.median().alias("median"),
        (sure >= _CONFIDENT).mean().alias(f"at least {_CONFIDENT}"),
        (sure.filter(known).mean() - pl.col("right").mean()).alias("overconfidence"),
    )
    return found.sort("model").collect()


FINDINGS = (
    Finding(
        "Accuracy of the networks on the views whose true class is known",
        ("outputs", "classes"),
        accuracy,
        note="Chance is a random class; constant is the accuracy of always giving the commonest class of these views. "
        "+- is the standard error over images.",
    ),
    Finding(
        "Confidence: probability of the class of highest score",
        ("outputs",),
        confidence,
        note="Overconfidence is the mean probability minus the share that is right; 0 would be calibrated on average.",
    ),
)

__all__ = ["FINDINGS", "accuracy", "confidence"]
