"""The verb `compare`: what a comparison says in the terminal."""

from collections.abc import Iterator

import polars as pl

from filterscope.jobs.findings.query import as_table, shown
from filterscope.pipeline.methods.dissection.comparison import Comparison

#: Units of the same network that the terminal lists.
_UNITS = 10


def said(found: Comparison) -> str:
    """Return a comparison as text: tables, and a sentence for each thing that it says."""
    pieces = [shown(found.sides), shown(found.pairs.select(pl.exclude("says", "units_say")))]
    pieces += [f"{line}\n" for line in _sentences(found)]
    pieces.append(shown(found.concepts))
    if found.units.height:
        first = found.units.sort(-pl.max_horizontal("iou_1", "iou_2"), "side", "unit").head(_UNITS)
        pieces.append(as_table(first if found.pairs.height > 1 else first.drop("side")))
        pieces.append(f"the {first.height} of highest IoU of {found.units.height:,} such units; --out writes all\n")
    return "".join(pieces)


def _sentences(found: Comparison) -> Iterator[str]:
    for pair in found.pairs.to_dicts():
        differences = found.differences.filter(side=pair["side"])["says"]
        for says in (pair["says"], pair["units_say"], *(f"note: {line}" for line in differences)):
            if says:
                yield f"{pair['side']}: {says}" if found.pairs.height > 1 else says


__all__ = ["said"]
