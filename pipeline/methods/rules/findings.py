"""What a run says of rules: which are obeyed, beside chance and the data; what imposing them does; where they are broken."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.operators.statistics.significance import FALSE_DISCOVERY_RATE
from filterscope.pipeline.methods.method import Finding

#: The data themselves break a rule that has less truth in them.
_IN_DATA = 0.95
#: Views of each rule that the report shows.
_SHOWN = 8


def obeyed(run: str | Path) -> pl.DataFrame:
    """Return how far networks obey rules.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model and rule, the most obeyed first: `groundings`, those on which it `fires` and the `violations`; its
        truth, that `by chance`, `lift` and `q`; the truth `in data`; and a `verdict`: obeyed if q <= 0.05, else broken if it
        is less true than by chance, else chance; `not in data` where the data break it; untested without consequent or
        groundings.
    """
    q, lift = pl.col("q_value"), pl.col("lift")
    verdict = (
        pl.when(pl.col("truth_in_data") < _IN_DATA).then(pl.lit("not in data"))
        .when(q.is_null()).then(pl.lit("untested"))
        .when(q <= FALSE_DISCOVERY_RATE).then(pl.lit("obeyed"))
        .when(lift < 0).then(pl.lit("broken"))
        .otherwise(pl.lit("chance"))
    )  # fmt: skip
    columns = (
        "model", "rule", verdict.alias("verdict"), "groundings", "fires", "violations", "truth",
        pl.col("null").alias("by chance"), "lift", q.alias("q"), pl.col("truth_in_data").alias("in data"),
    )  # fmt: skip
    rows = schemas.scan_rule_truth(run).select(*columns)
    return rows.sort("model", "lift", "rule", descending=[False, True, False], nulls_last=True).collect()


def imposed(run: str | Path) -> pl.DataFrame:
    """Return what imposing rules does to accuracy.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model for all rules together, then one for each: `views` with known labels, those whose answer is `changed`;
        accuracy of the network, with the rules, and with the rules on concepts of other images (`permuted`); the difference
        that the rules make, with its 95 % interval.
    """
    columns = (
        "model", pl.col("rule").fill_null("all of them").alias("imposed"), "views", "changed",
        pl.col("accuracy_p").alias("network"), pl.col("accuracy_q").alias("with rules"),
        pl.col("accuracy_permuted").alias("permuted"), "difference", "low", "high",
    )  # fmt: skip
    rows = schemas.scan_rule_posteriors(run).filter(pl.col("accuracy_p").is_not_null())
    return rows.sort("model", pl.col("rule").is_not_null(), pl.col("rule")).select(*columns).collect()


def broken(run: str | Path) -> pl.DataFrame:
    """Return the views on which rules have least truth, eight at most of each model and rule, that most often broken first.

    Columns: model, rule, `violations` and `groundings`, mean truth beside that `by chance`, least truth, and views.
    """
    keys = ["model", "rule"]
    counts = schemas.scan_rule_truth(run).select(
        *keys, "violations", "groundings", "truth", pl.col("null").alias("by chance")
    )
    views = schemas.scan_rule_violations(run).filter(pl.col("rank") < _SHOWN).sort(*keys, "rank")
    worst = views.group_by(keys).agg(pl.col("truth").min().alias("least truth"), pl.col("view").alias("views"))
    found = counts.join(worst, on=keys, how="inner")
    return found.sort("model", "violations", "rule", descending=[False, True, False]).collect()


FINDINGS = (
    Finding(
        "Rules that networks obey",
        ("rule_truth",),
        obeyed,
        note="Truth is from 0 to 1; by chance, with the right-hand side of a rule permuted over images. Lift: 1 if the rule is "
        "never broken, 0 as by chance. A rule that the data themselves break (in data below 0.95) is said to be not in data.",
    ),
    Finding(
        "Rules imposed on answers",
        ("rule_posteriors",),
        imposed,
        note="Accuracy of the posterior that rules give, beside the network's own and that with concepts of other images "
        "(permuted), which tells what knowing the concepts is worth. The interval is of the difference, over images.",
    ),
    Finding(
        "Views that break rules",
        ("rule_violations", "rule_truth"),
        broken,
        look="strips",
        note="Those of least truth first.",
        terminal=False,
    ),
)

__all__ = ["FINDINGS", "broken", "imposed", "obeyed"]
