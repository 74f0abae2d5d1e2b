"""Networks as subjects: measures of their layers against depth, epoch, accuracy, size and year."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control

from filterscope import schemas
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.rank_correlation import Correlation, over_networks, within_networks
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.comparison.facts import NUMBERS, TEXTS, Facts
from filterscope.pipeline.methods.comparison.sides import Side, side_of
from filterscope.pipeline.methods.outputs.findings import accuracy
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Networks from which on there is something to correlate.
LEAST = 3
#: What a unit's q is at most if it is significant: of such units so many are chance, at most.
_FALSE = 0.05
#: Numbers of a network against which measures of one of its layers are held.
AGAINST = ("accuracy", "published_top1", "parameters", "year")
#: How the name of a checkpoint says its epoch.
_EPOCH = re.compile(r"(?:epoch|ep|step|checkpoint|ckpt)[-_=.]?(\d+)", re.IGNORECASE)

_SCHEMA = {
    "model": pl.String, "architecture": pl.String, "training": pl.String, "epoch": pl.Float64, "parameters": pl.Int64,
    "year": pl.Float64, "training_data": pl.String, "published_top1": pl.Float64, "accuracy": pl.Float64,
    "constant": pl.Float64, "layer": pl.String, "depth": pl.Float64, "compared": pl.Boolean, "measure": pl.String,
    "value": pl.Float64, "control": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class Zoo:
    """Networks with their measures, and how these go together.

    Attributes
    ----------
    table : polars.DataFrame
        One row per model, layer and measure: model, architecture, training that it is a checkpoint of, epoch, parameters,
        year, training_data, published_top1 (percent), accuracy of its outputs on the views whose true class is known, and
        `constant`, that of always giving the commonest class; layer, `depth` among the audited ones (0 the first, 1 the last),
        whether models are `compared` by this layer (the last that all have, else each its own last), measure, value, and
        `control`, what chance or a constant gives; null where it was not measured. `accuracy` has a row without a layer.
    correlations : polars.DataFrame
        One row per measure and number that it is held against: measure, against, `among` (the training, where against epoch),
        models, rho, low, high, chance_low, chance_high, p, and q, p corrected for as many rows. Only measures with a control.
    unknown : list of str
        Models that the facts do not state.
    """

    table: pl.DataFrame
    correlations: pl.DataFrame
    unknown: list[str]

    @property
    def controlled(self) -> pl.DataFrame:
        """The rows that may be shown: those that have a control."""
        return self.table.filter(pl.col("control").is_not_null())


def zoo(runs: Sequence[str | Path], facts: Path | None = None) -> Zoo:
    """Gather the measures of all layers of all models of finished runs, and correlate them.

    Parameters
    ----------
    runs : sequence of path
        The runs; three models or more in all.
    facts : Path, optional
        A CSV file; see `Facts.read`.

    Raises
    ------
    InputError
        If there are fewer models, a run holds no units of a layer, or the CSV cannot be read.
    """
    stated = None if facts is None else Facts.read(facts)
    models = [(plan, model) for run in runs for plan in [RunFolder.existing(run).plan()] for model in plan.models]
    if len(models) < LEAST:
        raise InputError(
            f"{len(models)} model{'' if len(models) == 1 else 's'} in {', '.join(map(str, runs))}: give runs of {LEAST} models "
            "or more in all"
        )
    shared = set.intersection(*({layer.name for layer in model.layers} for _, model in models))
    scores = {plan.run: {row["model"]: row for row in accuracy(plan.run).to_dicts()} for plan, _ in models}
    rows, unknown = [], []
    for label, (plan, model) in zip(_labels(models), models, strict=True):
        known = stated.of(model, label) if stated else None
        if stated and known is None:
            unknown.append(label)
        own = _of_model(label, model, scores[plan.run].get(model.name), known or {})
        rows += [{**own, **row} for row in _rows(plan, model, shared, own)]
    table = pl.DataFrame(rows, _SCHEMA)
    return Zoo(table, correlations(table), unknown)


def _labels(models: Sequence[tuple[Plan, PlannedModel]]) -> list[str]:
    """Return names that tell models apart: with that of their run, where several have one."""
    names = [model.name for _, model in models]
    if len(set(names)) < len(names):
        names = [f"{plan.run.name}: {model.name}" for plan, model in models]
    return names if len(set(names)) == len(names) else [f"{n}: {name}" for n, name in enumerate(names, start=1)]


def _of_model(
    label: str, model: PlannedModel, score: Mapping[str, Any] | None, known: Mapping[str, float | str | None]
) -> dict[str, Any]:
    facts = {name: known.get(name) for name in (*NUMBERS.values(), *TEXTS)}
    said = _EPOCH.search(label)
    if facts["epoch"] is None and said:
        facts["epoch"] = float(said[1])
    if facts["epoch"] is not None and facts["training"] is None:
        facts["training"] = f"{model.architecture} {_EPOCH.sub('', label)}".strip(" -_.:")
    return {
        **facts,
        "model": label,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "accuracy": score["top-1"] if score else None,
        "constant": score["constant"] if score else None,
    }


def _rows(plan: Plan, model: PlannedModel, shared: set[str], own: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    names = [layer.name for layer in model.layers]
    last = next((name for name in reversed(names) if name in shared), names[-1])
    if own["accuracy"] is not None:
        whole = {"layer": None, "depth": None, "compared": True}
        yield {**whole, "measure": "accuracy", "value": own["accuracy"], "control": own["constant"]}
    for number, name in enumerate(names):
        place = {"layer": name, "depth": number / max(len(names) - 1, 1), "compared": name == last}
        for measure, (value, control) in _measures(side_of(plan, model, name)).items():
            yield {**place, "measure": measure, "value": value, "control": control}


def _measures(side: Side) -> dict[str, tuple[float, float | None]]:
    """Return the measures of a layer, each with its control; None where the run did not compare it with chance."""
    stand, eligible = sum(side.stand.values()), len(side.eligible)
    blind = eligible * (1 - (1 - 1 / eligible) ** stand) if eligible else 0.0
    judged = schemas.scan_layer(side.run, "layer_significance", side.model, side.layer).collect().to_dicts()
    known = judged[0] if judged else {}
    over, chance = known.get("over_cutoff", side.units["detector"].sum()), known.get("expected_by_chance")
    units = side.units.height
    found: dict[str, tuple[float, float | None]] = {
        "detectors": (over, chance),
        "detector share": (over / units, None if chance is None else chance / units),
        "unique concepts": (len(side.stand), blind if judged else None),
    }
    if known:
        found["significant"] = (known["significant"], _FALSE * known["significant"])
    return found | _instability(side)


def _instability(side: Side) -> dict[str, tuple[float, float | None]]:
    rows = schemas.scan_layer(side.run, "location_instability", side.model, side.layer)
    rows = rows.filter(pl.col("instability").is_not_null(), pl.col("uniform").is_not_null())
    means = rows.group_by("protocol").agg(pl.col("instability", "uniform").mean()).sort("protocol").collect()
    return {f"instability ({protocol})": (value, uniform) for protocol, value, uniform in means.iter_rows()}


_CORRELATIONS = {
    "measure": pl.String, "against": pl.String, "among": pl.String, "models": pl.Int64,
    **dict.fromkeys(Correlation._fields, pl.Float64), "q": pl.Float64,
}  # fmt: skip


def correlations(table: pl.DataFrame) -> pl.DataFrame:
    """Correlate every measure that has a control with depth, epoch and the numbers of `AGAINST`; see `Zoo`."""
    shown = table.filter(pl.col("control").is_not_null())
    rows = []
    for (measure,), mine in shown.group_by("measure", maintain_order=True):
        subject, one = str(measure), mine.filter("compared")
        layers = [part for _, part in mine.group_by("model", maintain_order=True) if part.height > 1]
        pairs = [
            (_numbers(part["depth"]), _numbers(part["value"])) for part in layers if part["layer"].null_count() == 0
        ]
        if len(pairs) >= LEAST:
            found = within_networks(pairs, seed_of("zoo", subject, "depth"))
            rows.append(_row(subject, "depth", None, len(pairs), found))
        for (training,), part in one.drop_nulls("epoch").group_by("training", maintain_order=True):
            rows += _over(subject, "epoch", str(training), part)
        for name in AGAINST:
            if name != subject:
                rows += _over(subject, name, None, one)
    frame = pl.DataFrame(rows, _CORRELATIONS)
    return (
        frame.with_columns(q=pl.Series(false_discovery_control(frame["p"].to_numpy()), dtype=pl.Float64))
        if rows
        else frame
    )


def _over(measure: str, against: str, among: str | None, rows: pl.DataFrame) -> list[dict[str, Any]]:
    known = rows.drop_nulls(against)
    if known.height < LEAST:
        return []
    seed = seed_of("zoo", measure, against, among or "")
    found = over_networks(_numbers(known[against]), _numbers(known["value"]), seed)
    return [_row(measure, against, among, known.height, found)]


def _row(measure: str, against: str, among: str | None, models: int, found: Correlation) -> dict[str, Any]:
    """Return a row; without rho, where one side is the same in all networks, p is 1."""
    numbers = {name: value if np.isfinite(value) else None for name, value in found._asdict().items()}
    return {
        "measure": measure,
        "against": against,
        "among": among,
        "models": models,
        **numbers,
        "p": numbers["p"] or 1.0,
    }


def _numbers(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).to_numpy()


__all__ = ["AGAINST", "LEAST", "Zoo", "correlations", "zoo"]
