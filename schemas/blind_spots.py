"""Where a network is confidently wrong: partitions of the views of a critical class, and what asking about them finds."""

import polars as pl
import pyarrow as pa

from filterscope.schemas.columns import IMAGE, MODEL, VIEW, Joined, column, table

_CLASS = column(
    "class", pa.string(), "critical class by its index, or several whose views are taken together, such as 7-24"
)
_METHOD = column(
    "method", pa.string(), "clusters: k-means of pooled activations; patterns: conjunctions of features and confidence"
)
_PARTITION = column(
    "partition", pa.int32(), "number of the partition; clusters by size, patterns in order of the cover"
)
_NO_FILE = "no member has a true class on file"
_NOT_ON_FILE = "no true class on file"

PARTITIONS = table(
    MODEL,
    _CLASS,
    _METHOD,
    _PARTITION,
    column("layer", pa.string(), "layer whose activations are clustered", null="patterns"),
    column("pattern", pa.string(), "conditions that members meet, joined by and; rest: views that meet no pattern",
           null="clusters"),
    column("views", pa.int32(), "members: views predicted as the critical class, with confidence over the limit"),
    column("confidence", pa.float64(), "mean probability of the predicted class"),
    column("labelled", pa.int32(), "members with a true class on file; answers of a person are never among them"),
    column("wrong", pa.int32(), "labelled members that are predicted wrongly: unknown unknowns"),
    column("wrong_low", pa.float64(), "lower end of the 95 % interval (Wilson) of the share that is wrong", null=_NO_FILE),
    column("wrong_high", pa.float64(), "upper end of that interval", null=_NO_FILE),
    column("purity", pa.float64(), "share of the commonest true class among labelled members", null=_NO_FILE),
    column("entropy", pa.float64(), "of their true classes", unit="bit", null=_NO_FILE),
)  # fmt: skip

PARTITION_MEMBERS = table(
    MODEL,
    _CLASS,
    _METHOD,
    _PARTITION,
    IMAGE,
    VIEW,
    column("rank", pa.int32(), "place in a random order of the partition, 0 first"),
    column("predicted", pa.int32(), "index of the predicted class"),
    column("confidence", pa.float32(), "probability of the predicted class"),
    column(
        "distance",
        pa.float32(),
        "how far the layer's maxima are from their mean over the class, along the axes of clusters",
    ),
    column("true_class", pa.int32(), "index of the true class on file", null=_NOT_ON_FILE),
    column("wrong", pa.bool_(), "the true class on file is not the predicted one", null=_NOT_ON_FILE),
)

DISCOVERY = table(
    MODEL,
    _CLASS,
    _METHOD,
    column("policy", pa.string(), "who asks: uub, a bandit, or what it must beat"),
    column("seed", pa.int32(), "number of the trial"),
    column("question", pa.int32(), "questions asked so far, from 1"),
    column("found", pa.int32(), "unknown unknowns among them, by the true classes on file"),
)

BLIND_SPOTS = table(
    MODEL,
    _CLASS,
    _METHOD,
    _PARTITION,
    column(
        "feature", pa.string(), "attribute=value, concept: NAME, or unit: LAYER/UNIT that fires above its threshold"
    ),
    column("views", pa.int32(), "members of the partition that have it"),
    column("expected", pa.float64(), "how many would, were members drawn from all views of the critical class"),
    column("lift", pa.float64(), "views over expected"),
    column("p", pa.float64(), "probability of as many, drawn so (hypergeometric)"),
    column("q", pa.float64(), "p corrected for all partitions and features that were tested (Benjamini-Hochberg)"),
)

ANSWERS = table(
    MODEL,
    IMAGE,
    VIEW,
    column("number", pa.int32(), "place among the answers for the model, from 1"),
    column("predicted", pa.int32(), "index of the predicted class that was asked about"),
    column("answer", pa.string(), "what the person wrote: right, wrong, unsure, or the true class by index or name"),
    column("wrong", pa.bool_(), "the prediction is wrong, by that answer", null="the person was unsure"),
    column("source", pa.string(), "file and row that the answer was read from"),
)


def latest_answers(answers: pl.LazyFrame) -> pl.LazyFrame:
    """Return one answer per model and view, in order of numbers: who was unsure first and sure later is sure."""
    return answers.sort("model", "number").unique(["model", "view"], keep="last", maintain_order=True)


def _with_answers(members: pl.LazyFrame, answers: pl.LazyFrame) -> pl.LazyFrame:
    own = latest_answers(answers).select(
        "model", "view", pl.lit(True).alias("asked"), pl.col("wrong").alias("answered_wrong")
    )
    joined = members.join(own, on=["model", "view"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("asked").fill_null(False)).select(
        *PARTITION_MEMBERS.names, "asked", "answered_wrong"
    )


MEMBER_ANSWERS = Joined(
    "partition_members",
    "answers",
    table(
        column("asked", pa.bool_(), "a person answered for the view"),
        column(
            "answered_wrong",
            pa.bool_(),
            "the prediction is wrong, by that answer",
            null="nobody answered, or was unsure",
        ),
    ),
    _with_answers,
)
