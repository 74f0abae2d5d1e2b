"""What a run says of training views: heads and how true influence is of them, label errors, helpful and harmful views."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.wilson import wilson
from filterscope.pipeline.methods.influence.head import AT_RANDOM, BY_INFLUENCE, BY_LOSS
from filterscope.pipeline.methods.influence.stage import HARMFUL
from filterscope.pipeline.methods.method import Finding

_KEYS = ("model", "layer")
#: Share of the labels checked that is shown for all layers, test views of largest loss, and suspects, that are shown.
_CHECKED, _WORST, _SUSPECTS = 0.2, 20, 40
#: Views of other orders that are shown beside the suspects.
_BESIDE = 16
_ORDERS = (BY_INFLUENCE, BY_LOSS, AT_RANDOM)


def heads(run: str | Path) -> pl.DataFrame:
    """Return how good heads are, and how true influence is of them.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model and layer, in order of names: classes, training and test views, test `accuracy` beside `constant`;
        `pearson`, `spearman` and `slope` of what happens to the loss of the worst test view when training views are left out
        against what influence predicts; the norm of the gradient where training ended, and the solver.
    """
    views = pl.col("train_views").alias("train"), pl.col("test_views").alias("test")
    accuracy, agreement = pl.col("test_accuracy").alias("accuracy"), ("pearson", "spearman", "slope")
    found = schemas.scan_influence_summary(run)
    columns = "classes", *views, accuracy, "constant", *agreement, "gradient", "solver"
    return found.select(*_KEYS, *columns).sort(_KEYS).collect()


def label_errors(run: str | Path) -> pl.DataFrame:
    """Return how many of the labels that were made wrong are found when a fifth of the training views is checked.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model and layer, in order of names: views with a wrong label; share of them `found` in order of
        self-influence, of loss and at random; accuracy on test views with the wrong labels, with those righted that each order
        finds, and with all righted.
    """
    fixes = schemas.scan_label_fixes(run)
    here = [pl.col("checked") == _CHECKED, pl.col("checked") == 0.0, pl.col("checked") == 1.0]
    by = [pl.col("order") == order for order in _ORDERS]
    return (
        fixes.group_by(_KEYS)
        .agg(
            pl.col("errors").first(),
            *(pl.col("found").filter(here[0] & one).first().alias(name) for one, name in zip(by, _ORDERS, strict=True)),
            pl.col("accuracy").filter(here[1]).first().alias("accuracy with errors"),
            *(
                pl.col("accuracy").filter(here[0] & one).first().alias(f"after {name}")
                for one, name in zip(by, _ORDERS, strict=True)
            ),
            pl.col("accuracy").filter(here[2]).first().alias("without errors"),
        )
        .sort(_KEYS)
        .collect()
    )


def curves(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the share of wrong labels found against the share checked: model, layer, checked, and a column for each order."""
    fixes = schemas.scan_layer(run, "label_fixes", model, layer)
    orders = [pl.col("found").filter(pl.col("order") == order).first().alias(order) for order in _ORDERS]
    return fixes.group_by(*_KEYS, "checked").agg(orders).sort("checked").collect()


def suspects(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the training views whose labels each order would have checked first: self-influence, loss and random.

    Columns: model, layer, `order`, how many are shown, the share of them that the head `predicts otherwise` than they are
    labelled, how many are `also by influence`, and `views`: the views in that order, with their label and the head's.
    """
    found = schemas.scan_layer(run, "self_influence", model, layer).sort("view").collect()
    at_random = pl.Series("random", np.random.PCG64(seed_of("suspects", model, layer)).random_raw(found.height))
    orders = zip(_ORDERS, ("rank", "loss_rank", "random"), (_SUSPECTS, _BESIDE, _BESIDE), strict=True)
    chosen = {
        order: found.with_columns(at_random).filter(pl.col(by).is_not_null()).sort(by, "view").head(most)
        for order, by, most in orders
    }
    first = chosen[BY_INFLUENCE]["view"]
    rows = [
        {
            "model": model, "layer": layer, "order": order, "shown": part.height,
            "predicted otherwise": (part["given_label"] != part["predicted"]).mean(),
            "also by influence": part["view"].is_in(first.to_list()).sum(),
            "views": [{"view": row["view"], "says": _suspect(row)} for row in part.iter_rows(named=True)],
        }
        for order, part in chosen.items() if part.height
    ]  # fmt: skip
    return pl.DataFrame(rows)


def _suspect(row: dict[str, Any]) -> str:
    value = f"{row['influence']:.2g}" if row["influence"] is not None else f"loss {row['loss']:.2g}"
    return f"{row['given_label']} → {row['predicted']}, {value}"


def strongest(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return what harms and helps the 20 test views of largest loss: two rows each.

    Columns: model, layer, given label, predicted, loss, `kind`, `same class`, the share of the training views shown that have
    the label of the test view, and `views`: the test view and then the training views, strongest first, with their labels and
    influence.
    """
    found = schemas.scan_layer(run, "influence", model, layer).collect()
    worst = found.select("view", "loss").unique().sort("loss", "view", descending=[True, False]).head(_WORST)
    kinds = pl.when(pl.col("kind") == HARMFUL).then(0).otherwise(1).alias("place")
    shown = found.join(worst.select("view"), on="view", how="semi").with_columns(kinds)
    shown = shown.sort("loss", "view", "place", "rank", descending=[True, False, False, False])
    rows = []
    for _, own in shown.group_by("view", "kind", maintain_order=True):
        row = own.row(0, named=True)
        trained = [
            {"view": one["train_view"], "says": f"{one['train_label']}, {one['influence']:+.2g}"}
            for one in own.iter_rows(named=True)
        ]
        rows.append(
            {
                "model": model, "layer": layer, "given label": row["given_label"], "predicted": row["predicted"],
                "loss": row["loss"], "kind": row["kind"], "same class": own["same_class"].mean(),
                "views": [{"view": row["view"], "says": f"test view: {row['given_label']}"}, *trained],
            }
        )  # fmt: skip
    return pl.DataFrame(rows)


def groups(run: str | Path) -> pl.DataFrame:
    """Return what leaving groups of training views out does, beside random groups of the same size.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model, layer, attribute and value, the largest groups of an attribute first: training views left out;
        change of the mean test loss, predicted and actual, and that without a `random group`; the actual change for test views
        of the `own value`, and without the random group; correlation of predicted and actual changes over test views.
    """
    found = schemas.scan_group_influence(run)
    sizes = [*_KEYS, "attribute", pl.col("train_views"), "value"]
    return found.sort(sizes, descending=[False] * 3 + [True, False]).select(
        *_KEYS, "attribute", "value", pl.col("left_out").alias("left out"),
        pl.col("predicted_change").alias("predicted"), pl.col("actual_change").alias("actual"),
        pl.col("random_actual").alias("random group"),
        pl.col("own_actual").alias("own value"), pl.col("random_own").alias("own value, random group"),
        "pearson", "slope",
    ).collect()  # fmt: skip


def attacks(run: str | Path) -> pl.DataFrame:
    """Return how many test views lose their label once training images are changed within rounding.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model, layer and number of training views changed: test `views`; share `flipped` with the ends of its
        95 % interval (Wilson), and with random `noise` of equal length in the same views; medians of the loss before, after,
        and with noise.
    """
    rows = schemas.scan_training_attack(run).collect()
    if not rows.height:
        return pl.DataFrame()
    found = rows.sort(*_KEYS, "perturbed", "view").group_by(*_KEYS, "perturbed", maintain_order=True).agg(
        pl.len().alias("views"),
        pl.col("flipped").sum().alias("count"),
        pl.col("flipped").mean().alias("share flipped"),
        pl.col("noise_flipped").mean().alias("by noise"),
        pl.col("loss_before").median().alias("loss before"),
        pl.col("loss_after").median().alias("loss after"),
        pl.col("noise_loss").median().alias("loss in noise"),
    )  # fmt: skip
    low, high = wilson(found["count"].to_numpy(), found["views"].to_numpy())
    ends = found.with_columns(pl.Series("low", low), pl.Series("high", high)).drop("count")
    first = [*_KEYS, "perturbed", "views", "share flipped", "low", "high"]
    return ends.select(*first, pl.exclude(first))


FINDINGS = (
    Finding(
        "Linear heads: whether influence says what leaving a training view out does",
        ("influence_summary", "influence_check", "influence_head", "pooled_maps"),
        heads,
        note="Influence is to first order: pearson and spearman near 1 say that it ranks training views rightly, a slope "
        "above 1 that it understates. Constant is the accuracy of the commonest training label; a gradient near 0 says that "
        "training has converged.",
    ),
    Finding(
        "Label errors: how many of those planted are found when a fifth of the labels is checked",
        ("label_fixes",),
        label_errors,
        note="A rehearsal: labels of some training views were made wrong at random. At random a fifth would be found; loss, "
        "which takes no Hessian, is often as good as influence. Real errors may be harder.",
    ),
    Finding(
        "Label errors found, by the share of labels checked",
        ("label_fixes",),
        curves,
        per="layer",
        look="lines",
        note="Of labels that were made wrong for a rehearsal.",
    ),
    Finding(
        "Groups of training views: what leaving one out does to the loss on test views, beside a random group of its size",
        ("group_influence",),
        groups,
        note="Predicted: the sum of the influences of the group's members. Half of a class stays where a group holds it "
        "all. A group matters where its change is far from that of the random group.",
    ),
    Finding(
        "Training attacks: test views that lose their label when training images change within rounding",
        ("training_attack",),
        attacks,
        note="Test views that the head is right about. No value of the training images changes by half a grey level, so that "
        "files of 8 bits are the same; the head is trained again on what is between. Noise: as long, in the same images.",
    ),
    Finding(
        "Suspected label errors",
        ("self_influence",),
        suspects,
        per="layer",
        look="grid",
        note="The training views whose labels each order checks first. Self-influence: by how much their own loss would rise "
        "without them, odd ones and those with wrong labels; loss, which is free; and chance. Below each: its label → what "
        "the head predicts, self-influence. A head that has learned a wrong label by heart predicts it.",
    ),
    Finding(
        "Harmful and helpful training views",
        ("influence",),
        strongest,
        per="layer",
        look="strips",
        note="First the test view, then the training views without which its loss would fall (harmful) or rise (helpful) most, "
        "each with its label and influence, the change of the loss of the test view to first order. Same class is the share of "
        "them with the test view's label.",
    ),
)

__all__ = ["FINDINGS", "attacks", "curves", "groups", "heads", "label_errors", "strongest", "suspects"]
