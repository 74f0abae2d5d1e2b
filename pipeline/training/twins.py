"""Twins: networks that a recipe trained from the same initial weights in two ways, and how they differ."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.differences import Interval, average, difference_of, difference_of_shares
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.models.names import NETWORKS, RECORD, located
from filterscope.pipeline.models.spec import TRAINED
from filterscope.pipeline.models.trained import read_description
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

PAIR = ("plain", "interpretable")


@dataclass(frozen=True)
class Twin:
    """One trained network of a run.

    Attributes
    ----------
    model : str
        Its name in the tables of the run.
    name, home : str, Path
        Its name where it was trained, and that folder.
    recipe, subject, variant : str
        What it was trained by, from and as.
    seed : int
        Of its initial weights.
    """

    model: str
    name: str
    home: Path
    recipe: str
    subject: str
    variant: str
    seed: int

    @classmethod
    def of(cls, file: Path, model: str = "") -> "Twin | None":
        """Read it from a checkpoint; None where that is no twin."""
        stated = read_description(file)
        about = stated.about
        if not about.get("twin"):
            return None
        name, subject, variant = (str(about[key]) for key in ("name", "subject", "twin"))
        return cls(model or name, name, file.parent.parent, stated.recipe, subject, variant, int(about["seed"]))


def compare_twins(run: Path, pair: Sequence[str] = PAIR) -> pl.DataFrame:
    """Return the rows of the table `training_comparison` of a folder of trainings, or of an audit of such networks.

    Parameters
    ----------
    run : Path
        The folder. Of trainings the measures are those on the views held out; of an audit those on its data set.
    pair : two names
        Variants of a recipe.

    Raises
    ------
    InputError
        If it holds no such twins.
    """
    twins = twins_of(run)
    if not twins:
        raise InputError(
            f"{run} holds no twins: they are trained by `filterscope train interpretable-cnn`, and audited as trained:RUN/NAME"
        )
    variants = sorted({twin.variant for twin in twins})
    for name in pair:
        if name not in variants:
            raise InputError(
                f"--pairs {','.join(pair)}: there are {', '.join(variants)}.{did_you_mean(name, variants)}"
            )
    first, second = ({_key(twin): twin for twin in twins if twin.variant == name} for name in pair)
    both = sorted(first.keys() & second.keys())
    if not both:
        raise InputError(f"no seed in {run} was trained or audited both as {pair[0]} and as {pair[1]}")
    rows = [row for key in both for row in _rows(run, first[key], second[key])]
    schema = pl.DataFrame(TABLES["training_comparison"].empty_table()).schema
    single = pl.DataFrame(rows, schema=schema, orient="row")
    return pl.concat([single, pl.DataFrame(list(_averages(single)), schema=schema, orient="row")])


def twins_of(run: Path) -> list[Twin]:
    """Return the twins among the networks of a folder of trainings, or among the models of an audit."""
    return [twin for twin in _twins(run) if twin is not None]


def write_twins(run: Path) -> None:
    """Write the table `training_comparison` of a folder of trainings, where it holds both twins of a pair."""
    variants = {name: {_key(twin) for twin in twins_of(run) if twin.variant == name} for name in PAIR}
    if set.intersection(*variants.values()):
        found = compare_twins(run).to_arrow().cast(TABLES["training_comparison"])
        write_table(run, "training_comparison", ("twins",), [found])


def _key(twin: Twin) -> tuple[str, str, int]:
    return twin.recipe, twin.subject, twin.seed


def _twins(run: Path) -> Iterator[Twin | None]:
    if (run / RECORD).is_file():
        yield from map(Twin.of, sorted((run / NETWORKS).glob("*.safetensors")))
        return
    for model in RunFolder.existing(run).plan().models:
        if model.spec.scheme == TRAINED:
            yield Twin.of(located(model.spec.architecture), model.name)


def _rows(run: Path, plain: Twin, other: Twin) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one pair: one for each measure."""
    for measure, first, second, (_, low, high) in _measures(run, plain, other):
        values = [None if np.isnan(value) else value for value in (first, second, low, high)]
        yield (plain.recipe, plain.subject, plain.seed, measure, *values)


_Measure = tuple[str, float, float, Interval]


def _measures(run: Path, plain: Twin, other: Twin) -> Iterator[_Measure]:
    right = [_right(twin) for twin in (plain, other)]
    yield "accuracy", right[0][0] / right[0][1], right[1][0] / right[1][1], difference_of_shares(*right)
    places = [_places(run, twin) for twin in (plain, other)]
    landmarks = sorted(set(places[0]["landmark"]) & set(places[1]["landmark"]))
    for landmark in landmarks:
        yield from _located(landmark, [_by_unit(found, landmark) for found in places], plain.seed)
    parts = [_parts(run, twin) for twin in (plain, other)]
    if all(map(len, parts)):
        yield _compared("part interpretability", np.mean, parts, plain.seed)


def _located(landmark: str, found: Sequence[pl.DataFrame], seed: int) -> Iterator[_Measure]:
    instability = [units["instability"].to_numpy() for units in found]
    tracking = [units["tracking"].to_numpy() for units in found]
    yield _compared(f"location instability, {landmark}", np.mean, instability, seed)
    yield _compared(
        f"instability of the crop's centre, {landmark}", np.mean, [one["fixed"].to_numpy() for one in found], seed
    )
    yield _compared(f"tracking, {landmark}", np.median, tracking, seed)
    counts = [(int((values > 0).sum()), int((~np.isnan(values)).sum())) for values in tracking]
    shares = [above / count if count else float("nan") for above, count in counts]
    yield f"filters that track, {landmark}", shares[0], shares[1], difference_of_shares(counts[0], counts[1])


def _compared(name: str, statistic: Callable[..., Any], values: Sequence[np.ndarray], seed: int) -> _Measure:
    known = [one[~np.isnan(one)] for one in values]
    first, second = (float(statistic(one)) if len(one) else float("nan") for one in known)
    return name, first, second, difference_of(statistic, values[0], values[1], seed_of(name, seed))


def _right(twin: Twin) -> tuple[int, int]:
    """Return how many held-out views the trained network told right, and how many there are."""
    rows = schemas.scan(twin.home, "training").filter(
        pl.col("model") == twin.name,
        pl.col("metric") == "accuracy",
        pl.col("split") == "heldout",
        pl.col("label").is_null(),
    )
    found = rows.filter(pl.col("epoch") == pl.col("epoch").max()).select("value", "examples").collect()
    if found.is_empty():
        raise InputError(f"{twin.home} has no accuracy of {twin.name}; its tables are gone: train it again with --redo")
    value, examples = found.row(0)
    return round(value * examples), examples


def _places(run: Path, twin: Twin) -> pl.DataFrame:
    """Return where filters fire, each on its own category where rows are by the categories that it was trained on."""
    rows = schemas.scan(run, "location_instability").filter(model=twin.model).collect()
    stated = schemas.scan(twin.home, "filter_categories").filter(model=twin.name).collect()
    layer = stated["layer"][0] if len(stated) else ""
    rows = rows.filter(pl.col("layer") == layer)
    own = stated.select("unit", pl.col("category").alias("own"))
    known = set(own["own"].drop_nulls()) & set(rows["category"].drop_nulls())
    if not known:
        return rows
    return rows.join(own, on="unit").filter(pl.col("category") == pl.col("own"))


def _by_unit(rows: pl.DataFrame, landmark: str) -> pl.DataFrame:
    """Return the mean over categories of every unit's numbers; NaN where there are none."""
    numbers = [pl.col(name).mean().fill_null(float("nan")) for name in ("instability", "fixed", "tracking")]
    return rows.filter(landmark=landmark).group_by("unit").agg(numbers).sort("unit")


def _parts(run: Path, twin: Twin) -> np.ndarray:
    """Return the part interpretability of each unit: its largest share over the eligible parts."""
    rows = (
        schemas.scan(run, "part_interpretability").filter(pl.col("model") == twin.model, pl.col("eligible")).collect()
    )
    return rows.group_by("unit").agg(pl.col("share").max()).sort("unit")["share"].drop_nulls().to_numpy()


def _averages(single: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Yield the averages over seeds."""
    for (recipe, subject, measure), rows in single.group_by("recipe", "subject", "measure", maintain_order=True):
        known = rows.drop_nulls(["plain", "interpretable", "low", "high"])
        if known.is_empty():
            continue
        plain, other = known["plain"].to_numpy(), known["interpretable"].to_numpy()
        _, low, high = average(np.column_stack([other - plain, known["low"], known["high"]]))
        yield recipe, subject, None, measure, float(plain.mean()), float(other.mean()), low, high


__all__ = ["PAIR", "Twin", "compare_twins", "twins_of", "write_twins"]
