"""The verb `compare`: what a comparison says in the terminal."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from filterscope.jobs.findings.query import as_table, shown
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.pipeline.methods.comparison.comparison import NOWHERE, Comparison

#: Concepts, and units of the same network, that the terminal lists.
_CONCEPTS, _UNITS = 20, 10


def said(found: Comparison) -> str:
    """Return a comparison as text: its sides by number, a sentence for each thing that it says, concepts that stand."""
    numbers = range(1, len(found.members) + 1)
    pieces = [f"{number}: {side.name}\n" for number, side in zip(numbers, found.members, strict=True)]
    numbered = found.sides.with_columns(pl.Series("side", numbers))
    pieces.append(shown(numbered.select(*_SIDES, pl.col("over_cutoff").alias(f"over {DETECTOR_IOU}"), *_CHANCE)))
    pieces += [f"{line}\n" for line in _sentences(found)]
    pieces += _concepts(found)
    if found.units.height:
        first = found.units.sort(-pl.max_horizontal("iou_1", "iou_2"), "side", "unit").head(_UNITS)
        first = first.drop("detector_1", "detector_2")
        pieces.append(as_table(first if found.pairs.height > 1 else first.drop("side")))
        pieces.append(f"the {first.height} of highest IoU of {found.units.height:,} such units; --out writes all\n")
    return "".join(pieces)


_SIDES = ("side", "images", "units", "strong", "tentative")
_CHANCE = (pl.col("expected_by_chance").round(1).alias("by chance"), "concepts", pl.col("rarefied").round(1))


def _sentences(found: Comparison) -> Iterator[str]:
    for pair in found.pairs.to_dicts():
        differences = found.differences.filter(side=pair["side"])["says"]
        whatever = f"whether they stand or not, {pair['says']}"
        for says in (pair["stands_say"], whatever, pair["units_say"], *(f"note: {line}" for line in differences)):
            if says:
                yield f"{pair['side']}: {says}" if found.pairs.height > 1 else says


def _concepts(found: Comparison) -> Iterator[str]:
    """Yield the concepts that stand, with units and the best IoU on every side, and how many do not stand."""
    stand = found.concepts.filter(pl.col("stands") != NOWHERE)
    if stand.height:
        rows = [_row(row, len(found.members)) for row in stand.to_dicts()]
        yield as_table(pl.DataFrame(rows[:_CONCEPTS], infer_schema_length=None))
        first = f"the first {_CONCEPTS} of {len(rows):,} concepts that stand, by IoU; " if len(rows) > _CONCEPTS else ""
        yield f"{first}units that stand and the best unit's IoU on each side; +/- is the last side less the first\n"
    if without := found.concepts.height - stand.height:
        yield (
            f"{without:,} {'concept stands' if without == 1 else 'concepts stand'} on no side: the labels are chance or rest "
            "on few images; --format csv lists them\n"
        )


def _row(concept: dict[str, Any], sides: int) -> dict[str, Any]:
    on = [str(number) for number in range(1, sides + 1) if concept[f"stand_{number}"]]
    row = {"concept": concept["concept"], "stands on": ", ".join(on)}
    for number in range(1, sides + 1):
        iou = concept[f"iou_{number}"]
        row[f"units {number}"] = str(concept[f"stand_{number}"]) if concept[f"eligible_{number}"] else "–"
        row[f"IoU {number}"] = "–" if iou is None else f"{iou:.3f}"
        if number == sides:
            more_units, more_iou = concept[f"more_stand_{number}"], concept[f"more_iou_{number}"]
            row["units +/-"] = "–" if more_units is None else f"{more_units:+d}"
            row["IoU +/-"] = "–" if more_iou is None else f"{more_iou:+.3f}"
    return row


__all__ = ["said"]
