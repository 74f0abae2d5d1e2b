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
from filterscope.pipeline.methods.comparison.differences import differences, refuse_disjoint
from filterscope.pipeline.methods.comparison.sides import ALL, STAND, Side, sides_of
from filterscope.pipeline.methods.significance.trust import STANDINGS
from filterscope.pipeline.run.folder import RunFolder

#: Probability, at most, at which two layers are said to share more concepts than chance.
LEVEL = 0.05
#: What `stands` says of a concept that stands on no side.
NOWHERE = "no side"


@dataclass(frozen=True)
class Comparison:
    """What was compared, as tables.

    Attributes
    ----------
    sides : polars.DataFrame
        One row per side: images, units, `strong` and `tentative` ones, over_cutoff, expected_by_chance, significant,
        replicating, eligible concepts, concepts detected, `rarefied` (concepts that every side could detect, at the number of
        units of the narrowest), and units over the cut-off in each category.
    pairs : polars.DataFrame
        One row per other side, over the concepts eligible on both sides: concepts that stand on both, that `stand_gained` and
        that `stand_lost`, and what that says; shared, gained and lost concepts whether they stand or not, expected_shared,
        p_shared, and what that says. Where the units are the same network's: `labelled`, units with such a label on both
        sides, how many of them `keep` it, how many would if the labels of one side were shuffled among them, and what that
        says; else null.
    concepts : polars.DataFrame
        One row per concept that any side detects, those that stand first, then by the best IoU on any side: category;
        `stands`, on which sides units of it stand; `change` from the first side to the last, whether it stands or not; and
        for every side whether it is eligible, its units, how many of them stand, its best unit (one that stands before
        others), that unit's IoU, standing and whether it is significant; and how much more of each than on the first side.
    units : polars.DataFrame
        One row per unit and other side with the same network's units, where it is a detector on either side: concept, IoU,
        whether it is a detector and its standing on the first side and on the other, and whether it keeps its label.
    verdicts : polars.DataFrame
        One row per side and category of concepts detected on any side: units over the cut-off, and how many of them are of
        each standing.
    differences : polars.DataFrame
        One row per other side and thing that its audit has different: side, against, says.
    members : list of Side
        The sides themselves, in the same order.
    """

    sides: pl.DataFrame
    pairs: pl.DataFrame
    concepts: pl.DataFrame
    units: pl.DataFrame
    verdicts: pl.DataFrame
    differences: pl.DataFrame
    members: list[Side]

    @property
    def categories(self) -> list[str]:
        """Categories of detected concepts: the last columns of `sides`."""
        return self.sides.columns[self.sides.columns.index("rarefied") + 1 :]


def compare(runs: Sequence[str | Path], layer: str | Sequence[str] | None = None) -> Comparison:
    """Compare a layer, or several, of every model of the given runs, in the order given.

    The data of the runs may differ: concepts are matched by name, and only those that could label units of both sides are
    compared.

    Parameters
    ----------
    runs : sequence of path
        One run with several models or layers, or several runs.
    layer : str or sequence of str, optional
        Names of layers, or ``all`` for those that all models have; by default the last that all models have, and where they
        have none in common each model's last.

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
        raise InputError(
            "nothing to compare: one layer of one model in one run; give more runs, a run with more models, or several layers "
            f"(--layer A --layer B, or --layer {ALL})"
        )
    first, others = sides[0], sides[1:]
    for other in others:
        refuse_disjoint(first, other)
    width = min(side.units.height for side in sides)
    everywhere = frozenset.intersection(*(side.eligible for side in sides))
    summary = pl.DataFrame([_summary(side, width, everywhere) for side in sides], schema_overrides=_JUDGED)
    categories = pl.DataFrame([_categories(side) for side in sides]).fill_null(0)
    same = [_same_units(first, other) if other.has_units_of(first) else None for other in others]
    compared = [units for units in same if units is not None]
    return Comparison(
        pl.concat([summary, categories.select(sorted(categories.columns))], how="horizontal"),
        pl.DataFrame(list(map(partial(_pair, first), others, same)), infer_schema_length=None),
        _concepts(sides),
        pl.concat(compared) if compared else pl.DataFrame(schema=_UNITS),
        _verdicts(sides),
        pl.DataFrame(
            [(side.name, first.name, says) for side in others for says in differences(first, side)],
            ["side", "against", "says"],
            orient="row",
        ),
        sides,
    )


#: Columns that are null where no side was compared with chance.
_JUDGED = {"expected_by_chance": pl.Float64, "significant": pl.Int64, "replicating": pl.Int64}


def _summary(side: Side, width: int, everywhere: frozenset[str]) -> dict[str, Any]:
    judged = schemas.scan_layer(side.run, "layer_significance", side.model, side.layer).collect().to_dicts()
    known = judged[0] if judged else {}
    comparable = [count for concept, count in side.counts.items() if concept in everywhere]
    return {
        "side": side.name,
        "images": side.images,
        "units": side.units.height,
        **{name: side.units.filter(standing=name).height for name in STAND},
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


def _verdicts(sides: list[Side]) -> pl.DataFrame:
    """Count the units over the cut-off by side, category and standing; 0 where a side has none of a category."""
    names = sorted({name for side in sides for name in _categories(side)})
    rows = []
    for side in sides:
        over = side.units.filter("detector")
        counts = Counter(over.select("category", "standing").iter_rows())
        for category in names:
            by_standing = {_column(name): counts[category, name] for name in STANDINGS if name != "no label"}
            rows.append(
                {"side": side.name, "category": category, "over_cutoff": sum(by_standing.values()), **by_standing}
            )
    return pl.DataFrame(rows)


def _column(standing: str) -> str:
    return standing.replace(" ", "_")


def _pair(first: Side, other: Side, same: pl.DataFrame | None) -> dict[str, Any]:
    eligible = first.eligible & other.eligible
    one, two = (side.counts.keys() & eligible for side in (first, other))
    shared = len(one & two)
    chance = overlap(len(eligible), len(one), len(two), shared)
    stand_one, stand_two = (side.stand.keys() & eligible for side in (first, other))
    both, gained, lost = (len(names) for names in (stand_one & stand_two, stand_two - stand_one, stand_one - stand_two))
    return {
        "side": other.name,
        "against": first.name,
        "eligible": len(eligible),
        "stand_on_both": both,
        "stand_gained": gained,
        "stand_lost": lost,
        "stands_say": (
            f"{both:,} {'concept stands' if both == 1 else 'concepts stand'} on both sides, {gained:,} in {other.name} only, "
            f"{lost:,} in {first.name} only"
        ),
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
    "standing_1": pl.String, "concept_2": pl.String, "iou_2": pl.Float64, "detector_2": pl.Boolean, "standing_2": pl.String,
    "keeps": pl.Boolean,
}  # fmt: skip


def _same_units(first: Side, other: Side) -> pl.DataFrame:
    """Return the units that detect a concept on either side, those of highest IoU first."""
    one, two = (
        side.units.select("unit", pl.col("concept", "iou", "detector", "standing").name.suffix(f"_{number}"))
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
    """Return one row per concept that any side detects: those that stand first, then by the best IoU anywhere."""
    found = [_best(side) for side in sides]
    categories = {concept: str(row["category"]) for best in found for concept, row in best.items()}
    rows = []
    for concept, category in categories.items():
        row: dict[str, Any] = {
            "concept": concept,
            "category": category,
            "stands": _stands(concept, sides),
            "change": _change(concept, sides[0], sides[-1]),
        }
        for number, (side, best) in enumerate(zip(sides, found, strict=True), start=1):
            row |= {f"{name}_{number}": value for name, value in _here(concept, side, best).items()}
            if number > 1:
                row |= {f"{name}_{number}": value for name, value in _more(row, number).items()}
        rows.append(row)
    highest = {name: max(best[name]["iou"] for best in found if name in best) for name in categories}
    rows.sort(key=lambda row: (row["stands"] == NOWHERE, -highest[row["concept"]], row["concept"]))
    kinds = {f"{name}_{number}": kind for name, kind in _HERE.items() for number in range(1, len(sides) + 1)}
    kinds = {"concept": pl.String, "category": pl.String, "stands": pl.String, "change": pl.String, **kinds}
    return pl.DataFrame(rows, {name: kinds[name] for name in (rows[0] if rows else kinds)})


#: What `concepts` holds for every side, and beside each other side for what it has more than the first.
_HERE = {
    "eligible": pl.Boolean, "units": pl.Int64, "stand": pl.Int64, "best": pl.Int32, "iou": pl.Float64,
    "standing": pl.String, "significant": pl.Boolean, "more_units": pl.Int64, "more_stand": pl.Int64,
    "more_iou": pl.Float64,
}  # fmt: skip


def _stands(concept: str, sides: list[Side]) -> str:
    """Say on which sides units of a concept stand; what could not label units elsewhere is not missing there."""
    count = sum(concept in side.stand for side in sides)
    if not count:
        return NOWHERE
    if sum(concept in side.eligible for side in sides) == 1:
        return "eligible on one side"
    return "every side" if count == len(sides) else "one side only" if count == 1 else "some sides"


def _change(concept: str, first: Side, last: Side) -> str:
    one, two = concept in first.counts, concept in last.counts
    if (one or two) and not (concept in first.eligible and concept in last.eligible):
        return "eligible on one side"
    return "kept" if one and two else "gained" if two else "lost" if one else "between"


def _here(concept: str, side: Side, best: dict[str, dict[str, Any]]) -> dict[str, Any]:
    known = best.get(concept, {})
    return {
        "eligible": concept in side.eligible,
        "units": side.counts.get(concept, 0),
        "stand": side.stand.get(concept, 0),
        "best": known.get("unit"),
        "iou": known.get("iou"),
        "standing": known.get("standing"),
        "significant": known.get("significant"),
    }


def _more(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Return how many more units a concept has than on the first side, and how much higher its best IoU is."""
    if not (row["eligible_1"] and row[f"eligible_{number}"]):
        return {"more_units": None, "more_stand": None, "more_iou": None}
    one, other = row["iou_1"], row[f"iou_{number}"]
    return {
        "more_units": row[f"units_{number}"] - row["units_1"],
        "more_stand": row[f"stand_{number}"] - row["stand_1"],
        "more_iou": None if one is None or other is None else other - one,
    }


def _best(side: Side) -> dict[str, dict[str, Any]]:
    """Return the best unit of each concept that a side detects: one that stands before others, then that of highest IoU."""
    stand = pl.col("standing").is_in(STAND)
    ordered = side.units.filter("detector").sort(stand, "iou", "unit", descending=[True, True, False])
    return {row["concept"]: row for row in reversed(ordered.to_dicts())}


__all__ = ["NOWHERE", "Comparison", "Side", "compare"]
