"""What a run says of attacks: how many succeed, how small they are, and which units and concepts change with the class."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.operators.statistics.wilson import wilson
from filterscope.pipeline.methods.method import Finding

_KEYS = ["model", "attack", "strength"]
#: Units that the gallery names.
_SHOWN = 4


def views(run: str | Path) -> pl.DataFrame:
    """Return how many of the drawn views were attacked.

    Returns
    -------
    polars.DataFrame
        One row per model, sorted: views that were drawn and decoded; those that were attacked; those left out since the model
        is wrong about them, unsure of them, or has them in the class that is asked for already.
    """
    found = schemas.scan_adversarial_views(run).group_by("model").agg(
        pl.len().alias("views"),
        *(pl.col("status").eq(name).sum().alias(name) for name in ("attacked", "wrong", "unsure", "target")),
    )  # fmt: skip
    return found.sort("model").collect()


def summary(run: str | Path) -> pl.DataFrame:
    """Return how often attacks succeed, beside a random change of the same size.

    Returns
    -------
    polars.DataFrame
        One row per model, attack and strength, sorted: views; `rate`, the share that the attack succeeds on, with the ends of
        its 95 % interval (Wilson); `in 8 bits`, the share it still succeeds on once the image is rounded; `control`, the share
        that a random change of the same size does; over what succeeded the medians of l2, distortion and linf; the median of
        queries; `check`, the share of L-BFGS's changes that are long enough for another attack too.
    """
    changed = [pl.col(name).filter("success").median() for name in ("l2", "distortion", "linf")]
    return _rates(run, _KEYS, [*changed, pl.col("queries").median(), pl.col("check").mean()])


def by_class(run: str | Path) -> pl.DataFrame:
    """Return `summary` for each class before the attack, but its medians; `becomes` is the class that it becomes most often."""
    most = pl.col("predicted").filter("success").sort().mode(maintain_order=True).first().alias("becomes")
    return _rates(run, [*_KEYS, "class"], [most])


def _rates(run: str | Path, keys: list[str], more: list[pl.Expr]) -> pl.DataFrame:
    rows = schemas.scan_adversarial(run).collect()
    if not rows.height:
        return pl.DataFrame()
    found = rows.sort(*keys, "view").group_by(keys, maintain_order=True).agg(
        pl.len().alias("views"),
        pl.col("success").sum().alias("successes"),
        pl.col("success").mean().alias("rate"),
        pl.col("rounded").mean().alias("in 8 bits"),
        pl.col("control_success").mean().alias("control"),
        *more,
    )  # fmt: skip
    low, high = wilson(found["successes"].to_numpy(), found["views"].to_numpy())
    ends = found.with_columns(pl.Series("low", low), pl.Series("high", high)).drop("successes")
    first = [*keys, "views", "rate", "low", "high"]
    return ends.select(*first, pl.exclude(first))


def of_concepts(run: str | Path) -> pl.DataFrame:
    """Return which concepts' units change where an attack changed the class.

    Returns
    -------
    polars.DataFrame
        One row per model, attack, strength and concept that labels a detector, most changed first: units, views, mean size of
        the change in standard deviations and that in noise, the share of units that are on and go off, beside noise, and of
        those that are off and go on, beside noise. Empty where dissection was not asked for or no attack succeeded.
    """
    shifts = schemas.scan_unit_shift(run).filter(pl.col("views") > 0)
    label = schemas.scan_units(run).filter("detector").select("model", "layer", "unit", "concept")
    off = pl.col("views") - pl.col("on")
    found = (
        shifts.join(label, on=["model", "layer", "unit"])
        .sort("model", "layer", "unit")
        .group_by(*_KEYS, "concept", maintain_order=True)
        .agg(
            pl.len().alias("units"),
            pl.col("views").max(),
            pl.col("size", "noise_size").mean(),
            *(_share(name, pl.col("on")) for name in ("off_after", "off_in_noise")),
            *(_share(name, off) for name in ("on_after", "on_in_noise")),
        )
    )
    order = [*_KEYS, pl.col("size") - pl.col("noise_size"), "concept"]
    found = found.sort(order, descending=[False] * 3 + [True, False], nulls_last=True)
    return found.rename({"noise_size": "in noise"}).collect()


def _share(name: str, of: pl.Expr) -> pl.Expr:
    total = of.sum()
    return pl.when(total > 0).then(pl.col(name).sum() / total).alias(name.replace("_", " "))


def of_layers(run: str | Path) -> pl.DataFrame:
    """Return how much the units of each layer change.

    Returns
    -------
    polars.DataFrame
        One row per model, attack, strength and layer: views; mean size of the change of its units, and in noise; the share of
        unit and view pairs that the attack changes more than noise does; the shares that go off and on, beside noise.
    """
    off = pl.col("views") - pl.col("on")
    found = (
        schemas.scan_unit_shift(run)
        .filter(pl.col("views") > 0)
        .sort("model", "layer", "unit")
        .group_by(*_KEYS, "layer", maintain_order=True)
        .agg(
            pl.col("views").max(),
            pl.col("size").mean(),
            pl.col("noise_size").mean().alias("in noise"),
            pl.col("larger").mean(),
            *(_share(name, pl.col("on")) for name in ("off_after", "off_in_noise")),
            *(_share(name, off) for name in ("on_after", "on_in_noise")),
        )
    )
    return found.sort(*_KEYS, "layer", nulls_last=True).collect()


def of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the rows of `unit_shift` of a layer where an attack succeeded, by unit."""
    found = schemas.scan_layer(run, "unit_shift", model, layer).filter(pl.col("views") > 0)
    return found.sort("unit", "attack", "strength").collect()


def gallery(run: str | Path) -> pl.DataFrame:
    """Return the attacked views whose images are kept, each under the smallest strength of every attack that succeeds.

    Returns
    -------
    polars.DataFrame
        One row per model, view and attack, sorted: strength, the largest where none succeeds; names of the class before and
        after; probability of the former before, after and under the control; the largest change in grey levels; whether
        the class has changed, and still has in 8 bits; the units that the attack turns on or off and noise does not, the four
        that change most; and `views`, the view.
    """
    kept = schemas.scan_adversarial(run).filter("pictured").collect()
    if not kept.height:
        return pl.DataFrame()
    keys = ["model", "view", "attack"]
    order = [
        *keys,
        pl.col("success").not_(),
        pl.when(pl.col("success")).then(pl.col("strength")).otherwise(-pl.col("strength")),
    ]
    rows = kept.sort(order).unique(keys, keep="first", maintain_order=True)
    rows = rows.join(_switched(run), on=[*keys, "strength"], how="left", nulls_equal=True, maintain_order="left")
    return rows.select(
        *keys, "strength", pl.col("class_name").alias("class"), pl.col("predicted_name").alias("becomes"),
        pl.col("probability_before").alias("before"), pl.col("probability_after").alias("after"),
        pl.col("control_probability").alias("under control"), (255 * pl.col("linf")).alias("grey levels"),
        pl.col("success").alias("changed"), pl.col("rounded").alias("in 8 bits"), "switched",
        pl.concat_list("view").alias("views"),
    )  # fmt: skip


def _switched(run: str | Path) -> pl.DataFrame:
    """Return in words, for each model, view, attack and strength, which units the attack switches and noise does not."""
    label = schemas.scan_units(run).filter("detector").select("model", "layer", "unit", "concept")
    unit = pl.format("{} unit {}", "layer", "unit")
    concept = pl.when(pl.col("concept").is_not_null()).then(pl.format(" ({})", "concept")).otherwise(pl.lit(""))
    return (
        schemas.scan_view_shift(run)
        .filter(pl.col("switch").is_not_null() & pl.col("switch").ne_missing(pl.col("noise_switch")))
        .join(label, on=["model", "layer", "unit"], how="left")
        .sort(-pl.col("change").abs(), "layer", "unit")
        .group_by("model", "view", "attack", "strength", maintain_order=True)
        .agg(pl.concat_str(unit, concept, pl.lit(" "), "switch").head(_SHOWN).alias("switched"))
        .with_columns(pl.col("switched").list.join("; "))
        .collect()
    )


_CONTROL = (
    "Control: random noise of equal length; for one_pixel, the best of as many random changes of as many pixels as the attack "
    "took queries."
)
_SHIFT = (
    "Changes of units' maxima, in standard deviations over all views, on the views whose class changed; in noise: under random "
    "noise of equal length. A unit is on above the upper quartile of its maxima."
)

FINDINGS = (
    Finding(
        "Views that were attacked",
        ("adversarial_views",),
        views,
        note="Attacks are on views that the model is right about; on the others nothing is left to change.",
    ),
    Finding(
        "How often attacks change the class",
        ("adversarial",),
        summary,
        note=f"{_CONTROL} in 8 bits: what is left of it in a file of 8 bits per value. check: whether another attack succeeds "
        "with as much room, so that L-BFGS did not stop at a change that is too small to be true.",
    ),
    Finding("Attacks by class", ("adversarial",), by_class, note=_CONTROL, terminal=False),
    Finding("Layers under attack", ("unit_shift",), of_layers, note=_SHIFT),
    Finding("Concepts that switch under attack", ("unit_shift", "units"), of_concepts, note=_SHIFT, terminal=False),
    Finding(
        "Attack gallery",
        ("adversarial", "view_shift", "units"),
        gallery,
        look="gallery",
        note="The image, what was changed, the attacked image, and the control: a random change of the same size. Pictures "
        "have 8 bits per value; `in 8 bits` says whether the class is still another in them. Units named are those that the "
        "attack turns on or off and noise of equal length does not.",
        terminal=False,
    ),
    Finding("Under attack", ("unit_shift",), of_units, per="unit", note=_SHIFT),
)

__all__ = ["FINDINGS", "by_class", "gallery", "of_concepts", "of_layers", "of_units", "summary", "views"]
