"""The verb `compare --zoo`: what measures of networks go with, in the terminal."""

from collections.abc import Iterator

import polars as pl

from filterscope.jobs.findings.query import shown
from filterscope.jobs.grid import folded, grid
from filterscope.pipeline.methods.comparison.zoo import Zoo

_NAMES = ("measure", "against", "models", "rho", "interval", "permuted", "p", "q")


def said(found: Zoo, format: str, *, safe: bool = False) -> str:  # noqa: A002
    """Return the correlations as text; in other formats than `table`, the table `zoo`."""
    if format != "table":
        return shown(found.table, format, safe=safe)
    return "\n".join(_parts(found))


def _parts(found: Zoo) -> Iterator[str]:
    rows = found.correlations.sort("q", "measure", "against")
    if rows.height:
        yield grid(_NAMES, map(_row, rows.iter_rows(named=True)))
        yield folded(
            f"{rows.filter(pl.col('q') <= 0.05).height} of {rows.height} beyond what permuted models give, at a false "
            "discovery rate of 5 %. rho: Spearman's; interval: 95 %, over resampled models; permuted: the central 95 "
            "% of permuted models"
        )
    else:
        yield "no measure with a control is known of three models together with a number to hold it against\n"
    if left := sorted(set(found.table["measure"]) - set(found.controlled["measure"])):
        yield folded(f"not compared with chance, so not shown: {', '.join(left)}; --methods significance compares them")
    if found.unknown:
        yield folded(f"{len(found.unknown)} not in the CSV: {', '.join(found.unknown[:6])}")


def _row(row: dict[str, object]) -> tuple[object, ...]:
    against = row["against"] if row["among"] is None else f"{row['against']} of {row['among']}"
    interval, chance = (_span(row[low], row[high]) for low, high in (("low", "high"), ("chance_low", "chance_high")))
    return row["measure"], against, row["models"], _signed(row["rho"]), interval, chance, row["p"], row["q"]


def _span(low: object, high: object) -> str | None:
    return None if low is None else f"{low:+.2f} to {high:+.2f}"


def _signed(value: object) -> str | None:
    return None if value is None else f"{value:+.2f}"


__all__ = ["said"]
