"""What layers of models, of one run or of several, detect differently."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from filterscope import schemas
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.statistics.comparison import Overlap, overlap, rarefied
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.differences import differences, refuse_disjoint
from filterscope.pipeline.methods.dissection.sides import Side, sides_of
from filterscope.pipeline.run.folder import RunFolder

#: Probability, at most, at which two layers are said to share more concepts than chance.
LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """What was compared, as tables.

    Attributes
    ----------
    sides : polars.DataFrame
        One row per side: images, units, over_cutoff, expected_by_chance, significant, replicating, eligible concepts, concepts
        detected, `rarefied` (concepts that every side could detect, at the number of units of the narrowest), and units over
        the cut-off in each category.
    pairs : polars.DataFrame
        One row per other side, over the concepts eligible on both sides: shared, gained and lost concepts, expected_shared,
        p_shared, and what that says. Where the units are the same network's: `labelled`, units with such a label on both
        sides, how many of them `keep` it, how many would if the labels of one side were shuffled among them, and what that
        says; else null.
    concepts : polars.DataFrame
        One row per concept that any side detects: category, and for every side whether it is eligible, its units, its best
        unit and that unit's IoU and whether it is significant; `change` from the first side to the last.
    units : polars.DataFrame
        One row per unit and other side with the same network's units, where it is a detector on either side: concept, IoU and
        whether it is a detector on the first side and on the other, and whether it keeps its label.
    differences : polars.DataFrame
        One row per other side and thing that its audit has different: side, against, says.
    members : list of Side
        The sides themselves, in the same order.
    """

    sides: pl.DataFrame
    pairs: pl.DataFrame
    concepts: pl.DataFrame
    units: pl.DataFrame
    differences: pl.DataFrame
    members: list[Side]

    @property
    def categories(self) -> list[str]:
        """Categories of detected concepts: the last columns of `sides`."""
        return self.sides.columns[self.sides.columns.index("rarefied") + 1 :]


def compare(runs: Sequence[str | Path], layer: str | None = None) -> Comparison:
    """Compare one layer of every model of the given runs, in the order given.

    The data of the runs may differ: concepts are matched by name, and only those that could label units of both sides are
    compared.

    Parameters
    ----------
    runs : sequence of path
        One run with several models, or several runs.
    layer : str, optional
        Name of the layer; by default the last that all models have, and where they have none in common each model's last.

    Returns
    -------
    Comparison
        The tables.

    Raises
    ------
    InputError
        If there are fewer than two sides, or no concept could label units of both the first side and another.
    """
    sides = sides_of([RunFolder.existing(run).plan() for run in runs], layer)
    if len(sides) < 2:
        raise InputError("nothing to compare: one model in one run; give more runs, or a run with more models")
    first, others = sides[0], sides[1:]
    for other in others:
        refuse_disjoint(first, other)
    width = min(side.units.height for side in sides)
    everywhere = frozenset.intersection(*(side.eligible for side in sides))
    summary = pl.DataFrame([_summary(side, width, everywhere) for side in sides])
    categories = pl.DataFrame([_categories(side) for side in sides]).fill_null(0)
    same = [_same_units(first, other) if other.has_units_of(first) else None for other in others]
    compared = [units for units in same if units is not None]
    return Comparison(
        pl.concat([summary, categories.select(sorted(categories.columns))], how="horizontal"),
        pl.DataFrame(list(map(partial(_pair, first), others, same)), infer_schema_length=None),
        _concepts(sides),
        pl.concat(compared) if compared else pl.DataFrame(schema=_UNITS),
        pl.DataFrame(
            [(side.name, first.name, says) for side in others for says in differences(first, side)],
            ["side", "against", "says"],
            orient="row",
        ),
        sides,
    )


def _summary(side: Side, width: int, everywhere: frozenset[str]) -> dict[str, Any]:
    judged = schemas.scan_layer(side.run, "layer_significance", side.model, side.layer).collect().to_dicts()
    known = judged[0] if judged else {}
    comparable = [count for concept, count in side.counts.items() if concept in everywhere]
    return {
        "side": side.name,
        "images": side.images,
        "units": side.units.height,
        "over_cutoff": known.get("over_cutoff", side.units["detector"].sum()),
        "expected_by_chance": known.get("expected_by_chance"),
        "significant": known.get("significant"),
        "replicating": known.get("replicating"),
        "eligible": len(side.eligible),
        "concepts": len(side.counts),
        "rarefied": rarefied(side.units.height, comparable, width),
    }


def _categories(side: Side) -> dict[str, int]:
    return dict(side.units.filter("detector").group_by("category").len().iter_rows())


def _pair(first: Side, other: Side, same: pl.DataFrame | None) -> dict[str, Any]:
    eligible = first.eligible & other.eligible
    one, two = (side.counts.keys() & eligible for side in (first, other))
    shared = len(one & two)
    chance = overlap(len(eligible), len(one), len(two), shared)
    return {
        "side": other.name,
        "against": first.name,
        "eligible": len(eligible),
        "shared": shared,
        "gained": len(two - one),
        "lost": len(one - two),
        "expected_shared": chance.expected,
        "p_shared": chance.p_more,
        "says": _says(shared, len(eligible), chance),
        **_kept(same, eligible),
    }


def _says(shared: int, eligible: int, chance: Overlap) -> str:
    blind = (
        f"two blind choices of as many among the {eligible} eligible on both sides share {chance.expected:.1f}, "
        f"p = {chance.p_more:.2g}"
    )
    more = "more" if chance.p_more <= LEVEL else "no more"
    return f"they share {shared} concept{'' if shared == 1 else 's'}, {more} than chance explains ({blind})"


def _kept(same: pl.DataFrame | None, eligible: frozenset[str]) -> dict[str, Any]:
    """Return how many of the same network's units keep their label, beside labels shuffled among them."""
    if same is None:
        return {"labelled": None, "keep": None, "expected_keep": None, "units_say": None}
    known = pl.col("concept_1").is_in(eligible), pl.col("concept_2").is_in(eligible)
    both = same.filter("detector_1", "detector_2", *known)
    one, two = (Counter(both[name]) for name in ("concept_1", "concept_2"))
    expected = sum(count * two[concept] for concept, count in one.items()) / both.height if both.height else 0.0
    keep = int(both["keeps"].sum())
    says = (
        f"the units are the same network's: {same.height:,} are over {DETECTOR_IOU} on either side, {both.height:,} on both "
        f"and with labels eligible on both; {keep:,} of these keep their label (shuffled among them, {expected:.1f} would)"
    )
    return {"labelled": both.height, "keep": keep, "expected_keep": expected, "units_say": says}


_UNITS = {
    "side": pl.String, "unit": pl.Int32, "concept_1": pl.String, "iou_1": pl.Float64, "detector_1": pl.Boolean,
    "concept_2": pl.String, "iou_2": pl.Float64, "detector_2": pl.Boolean, "keeps": pl.Boolean,
}  # fmt: skip


def _same_units(first: Side, other: Side) -> pl.DataFrame:
    """Return the units that detect a concept on either side, those of highest IoU first."""
    one, two = (
        side.units.select("unit", pl.col("concept", "iou", "detector").name.suffix(f"_{number}"))
        for number, side in enumerate((first, other), start=1)
    )
    keeps = pl.col("detector_1") & pl.col("detector_2") & (pl.col("concept_1") == pl.col("concept_2")).fill_null(False)
    return (
        one.join(two, on="unit")
        .filter(pl.col("detector_1") | pl.col("detector_2"))
        .with_columns(keeps.alias("keeps"), pl.lit(other.name).alias("side"))
        .sort(-pl.max_horizontal("iou_1", "iou_2"), "unit")
        .select(list(_UNITS))
    )


def _concepts(sides: list[Side]) -> pl.DataFrame:
    """Return one row per concept that any side detects, by category and name."""
    found = [_best(side) for side in sides]
    categories = {concept: str(row["category"]) for best in found for concept, row in best.items()}
    rows = []
    for concept in sorted(categories, key=lambda name: (categories[name], name)):
        first, last = concept in found[0], concept in found[-1]
        change = "kept" if first and last else "gained" if last else "lost" if first else "between"
        if change != "between" and not all(concept in side.eligible for side in (sides[0], sides[-1])):
            change = "eligible on one side"
        row: dict[str, Any] = {"concept": concept, "category": categories[concept], "change": change}
        for number, best in enumerate(found, start=1):
            known = best.get(concept, {})
            row |= {
                f"eligible_{number}": concept in sides[number - 1].eligible,
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
