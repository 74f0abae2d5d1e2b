"""The sides of a comparison: one layer of one model of one run each, with what could have labelled its units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.options import mask_key
from filterscope.pipeline.methods.significance.trust import Standing, with_standing
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: What stands for every layer that all models have.
ALL = "all"
#: Standings of labels that stand: those that are headlined.
STAND: tuple[Standing, ...] = ("strong", "tentative")


@dataclass(frozen=True)
class Side:
    """One layer of one model of one run; the others are compared with the first side of a comparison.

    Attributes
    ----------
    name : str
        Model and layer, and the run where models of several runs have one name.
    plan : Plan
        Of the run.
    planned : PlannedModel
        The model.
    layer : str
        As in the tables.
    units : polars.DataFrame
        One row per unit: unit, concept, category, iou, detector, significant, label_replicates, standing.
    concepts : mapping of str to str
        Category of every concept of the data set.
    eligible : frozenset of str
        Concepts that could label a unit.
    """

    name: str
    plan: Plan
    planned: PlannedModel
    layer: str
    units: pl.DataFrame
    concepts: Mapping[str, str]
    eligible: frozenset[str]

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.plan.run

    @property
    def model(self) -> str:
        """Name of the model, as in the tables."""
        return self.planned.name

    @cached_property
    def counts(self) -> dict[str, int]:
        """Units that detect each concept."""
        return dict(self.units.filter("detector").group_by("concept").len().iter_rows())

    @cached_property
    def stand(self) -> dict[str, int]:
        """Units of each concept whose label stands."""
        return dict(self.units.filter(pl.col("standing").is_in(STAND)).group_by("concept").len().iter_rows())

    @cached_property
    def images(self) -> int:
        """Images of the data set that the run saw."""
        return int(schemas.scan_views(self.run).select(pl.col("image").n_unique()).collect().item())

    def has_units_of(self, other: "Side") -> bool:
        """Return whether unit k of one side is unit k of the other: the same weights, layer and basis."""
        return self._identity == other._identity and self.units["unit"].equals(other.units["unit"])

    @property
    def _identity(self) -> tuple[object, ...]:
        model = self.planned
        return model.architecture, model.weights_sha256, model.spec.rotation, self.layer


def sides_of(plans: Sequence[Plan], layers: str | Sequence[str] | None) -> list[Side]:
    """Return one side for every model of the given runs and every layer, model by model, each from its first layer on.

    Parameters
    ----------
    plans : sequence of Plan
        The runs.
    layers : str or sequence of str, optional
        Names of layers, or ``all`` for those that all models have; by default the last that all models have, and where they
        have none in common each model's last.

    Raises
    ------
    InputError
        If not every model has a layer, or a run holds no units of it.
    """
    models = [(plan, model) for plan in plans for model in plan.models]
    shared = set.intersection(*({known.name for known in model.layers} for _, model in models))
    asked = {layers} if isinstance(layers, str) else set(layers or ())
    if asked == {ALL} and shared:
        asked = shared
    if missing := sorted(asked - shared):
        raise InputError(
            f"layer {missing[0]!r} is not in every model; layers that are: {', '.join(sorted(shared)) or 'none'}"
        )
    sides = []
    for plan, model in models:
        names = [known.name for known in model.layers]
        last = next((name for name in reversed(names) if name in shared), names[-1])
        sides += [side_of(plan, model, name) for name in names if name in (asked or {last})]
    return _distinct(sides)


def side_of(plan: Plan, model: PlannedModel, layer: str) -> Side:
    """Return one layer of one model of a run; InputError if the run holds no units of it."""
    units = _units(plan.run, model.name, layer)
    if not units.height:
        raise InputError(f"{plan.run} holds no units of {model.name} {layer}; finish its audit first")
    known = schemas.scan_concepts(plan.run).filter(geometry=mask_key(plan, model)).sort("concept").collect()
    concepts = dict(known.select("concept", "category").iter_rows())
    eligible = frozenset(known.filter("eligible")["concept"])
    return Side(f"{model.name} {layer}", plan, model, layer, units, concepts, eligible)


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
    units = schemas.scan_layer(run, "units", model, layer)
    judged = schemas.scan_layer(run, "unit_significance", model, layer).drop("model", "layer")
    pairs = schemas.scan_layer(run, "unit_concept", model, layer).select("unit", "concept", "effective_images")
    known = units.join(judged, on="unit", how="left").join(pairs, on=["unit", "concept"], how="left").collect()
    columns = ("unit", "concept", "category", "iou", "detector", "significant", "label_replicates", "standing")
    return with_standing(known).select(columns).sort("unit")


__all__ = ["ALL", "STAND", "Side", "side_of", "sides_of"]
