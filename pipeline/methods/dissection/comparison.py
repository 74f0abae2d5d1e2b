"""What layers of models, of one run or of several, detect differently."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from filterscope import schemas
from filterscope.operators.statistics.comparison import overlap, rarefied
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.options import mask_key
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Probability, at most, at which two layers are said to share more concepts than chance.
LEVEL = 0.05


@dataclass(frozen=True)
class Side:
    """One layer of one model of one run; the others are compared with the first side of a comparison.

    Attributes
    ----------
    name : str
        Model and layer, and the run where models of several runs have one name.
    run : Path
        The run folder.
    model, layer : str
        As in the tables.
    data : str
        Digest of the data set.
    units : polars.DataFrame
        One row per unit: unit, concept, category, iou, detector, significant, label_replicates.
    eligible : frozenset of str
        Concepts that could label a unit.
    """

    name: str
    run: Path
    model: str
    layer: str
    data: str
    units: pl.DataFrame
    eligible: frozenset[str]

    @property
    def counts(self) -> dict[str, int]:
        """Units that detect each concept."""
        return dict(self.units.filter("detector").group_by("concept").len().iter_rows())


@dataclass(frozen=True)
class Comparison:
    """What was compared, as tables.

    Attributes
    ----------
    sides : polars.DataFrame
        One row per side: units, over_cutoff, expected_by_chance, significant, replicating, concepts, `rarefied` (concepts at
        the number of units of the narrowest side), and units over the cut-off in each category.
    pairs : polars.DataFrame
        One row per other side: shared, gained and lost concepts, expected_shared, p_shared, and what that says.
    concepts : polars.DataFrame
        One row per concept that any side detects: category, and for every side its units, its best unit and that unit's
        IoU and whether it is significant; `change` from the first side to the last.
    members : list of Side
        The sides themselves, in the same order.
    """

    sides: pl.DataFrame
    pairs: pl.DataFrame
    concepts: pl.DataFrame
    members: list[Side]


def compare(runs: Sequence[str | Path], layer: str | None = None) -> Comparison:
    """Compare one layer of every model of the given runs, in the order given.

    Parameters
    ----------
    runs : sequence of path
        One run with several models, or several runs on the same data set.
    layer : str, optional
        Name of the layer; by default the last that all models have, and where they have none in common each model's last.

    Returns
    -------
    Comparison
        The tables.

    Raises
    ------
    InputError
        If there are fewer than two sides, or they were audited on different data.
    """
    plans = [RunFolder.existing(run).plan() for run in runs]
    sides = _sides(plans, layer)
    if len(sides) < 2:
        raise InputError("nothing to compare: one model in one run; give more runs, or a run with more models")
    data = {side.data for side in sides}
    if len(data) > 1:
        raise InputError(f"the runs were audited on {len(data)} different data sets; their concepts cannot be compared")
    width = min(side.units.height for side in sides)
    summary = pl.DataFrame([_summary(side, width) for side in sides])
    categories = pl.DataFrame([_categories(side) for side in sides]).fill_null(0)
    return Comparison(
        pl.concat([summary, categories.select(sorted(categories.columns))], how="horizontal"),
        pl.DataFrame([_pair(sides[0], side) for side in sides[1:]]),
        _concepts(sides),
        sides,
    )


def _sides(plans: list[Plan], layer: str | None) -> list[Side]:
    models = [(plan, model) for plan in plans for model in plan.models]
    shared = set.intersection(*({known.name for known in model.layers} for _, model in models))
    if layer is not None and layer not in shared:
        raise InputError(
            f"layer {layer!r} is not in every model; layers that are: {', '.join(sorted(shared)) or 'none'}"
        )
    sides = []
    for plan, model in models:
        last_first = [known.name for known in reversed(model.layers)]
        name = layer or next((known for known in last_first if known in shared), last_first[0])
        sides.append(_side(plan, model, name))
    return _distinct(sides)


def _side(plan: Plan, model: PlannedModel, layer: str) -> Side:
    units = _units(plan.run, model.name, layer)
    if not units.height:
        raise InputError(f"{plan.run} holds no units of {model.name} {layer}; finish its audit first")
    geometry = mask_key(plan, model)
    concepts = schemas.scan_concepts(plan.run).filter(pl.col("geometry") == geometry, pl.col("eligible"))
    eligible = frozenset(concepts.select("concept").collect()["concept"])
    return Side(f"{model.name} {layer}", plan.run, model.name, layer, plan.data_identity, units, eligible)


def _distinct(sides: list[Side]) -> list[Side]:
    """Put the name of its run before a side's, where models of several runs have one name."""
    names = [side.name for side in sides]
    if len(set(names)) == len(names):
        return sides
    named = [f"{side.run.name}: {side.name}" for side in sides]
    if len(set(named)) < len(named):
        named = [f"{number}: {name}" for number, name in enumerate(named, start=1)]
    return [replace(side, name=name) for name, side in zip(named, sides, strict=True)]


def _units(run: Path, model: str, layer: str) -> pl.DataFrame:
    units = schemas.scan_layer(run, "units", model, layer).select("unit", "concept", "category", "iou", "detector")
    judged = schemas.scan_layer(run, "unit_significance", model, layer).select(
        "unit", "significant", "label_replicates"
    )
    return units.join(judged, on="unit", how="left").sort("unit").collect()


def _summary(side: Side, width: int) -> dict[str, Any]:
    judged = schemas.scan_layer(side.run, "layer_significance", side.model, side.layer).collect().to_dicts()
    known = judged[0] if judged else {}
    counts = side.counts
    return {
        "side": side.name,
        "units": side.units.height,
        "over_cutoff": known.get("over_cutoff", side.units["detector"].sum()),
        "expected_by_chance": known.get("expected_by_chance"),
        "significant": known.get("significant"),
        "replicating": known.get("replicating"),
        "concepts": len(counts),
        "rarefied": rarefied(side.units.height, list(counts.values()), width),
    }


def _categories(side: Side) -> dict[str, int]:
    return dict(side.units.filter("detector").group_by("category").len().iter_rows())


def _pair(first: Side, other: Side) -> dict[str, Any]:
    eligible = first.eligible | other.eligible
    one, two = set(first.counts), set(other.counts)
    shared = len(one & two)
    chance = overlap(len(eligible), len(one), len(two), shared)
    return {
        "side": other.name,
        "against": first.name,
        "shared": shared,
        "gained": len(two - one),
        "lost": len(one - two),
        "expected_shared": chance.expected,
        "p_shared": chance.p_more,
        "says": _says(shared, chance.expected, chance.p_more),
    }


def _says(shared: int, expected: float, p_more: float) -> str:
    blind = f"two blind choices of as many concepts share {expected:.1f}"
    if p_more <= LEVEL:
        return f"they share {shared} concepts, more than chance explains ({blind}, p = {p_more:.2g})"
    return f"they share {shared} concepts, no more than chance explains ({blind}, p = {p_more:.2g})"


def _concepts(sides: list[Side]) -> pl.DataFrame:
    """Return one row per concept that any side detects, by category and name."""
    found = [_best(side) for side in sides]
    categories = {concept: str(row["category"]) for best in found for concept, row in best.items()}
    rows = []
    for concept in sorted(categories, key=lambda name: (categories[name], name)):
        first, last = concept in found[0], concept in found[-1]
        change = "kept" if first and last else "gained" if last else "lost" if first else "between"
        row: dict[str, Any] = {"concept": concept, "category": categories[concept], "change": change}
        for number, best in enumerate(found, start=1):
            known = best.get(concept, {})
            row |= {
                f"units_{number}": known.get("units", 0),
                f"best_{number}": known.get("unit"),
                f"iou_{number}": known.get("iou"),
                f"significant_{number}": known.get("significant"),
            }
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def _best(side: Side) -> dict[str, dict[str, Any]]:
    """Return the row of the best unit of each concept that a side detects, with how many units detect it."""
    best: dict[str, dict[str, Any]] = {}
    for row in side.units.filter("detector").sort(["iou", "unit"], descending=[True, False]).to_dicts():
        best.setdefault(row["concept"], {**row, "units": 0})["units"] += 1
    return best


__all__ = ["Comparison", "Side", "compare"]
