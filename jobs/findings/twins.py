"""The verb `compare --pairs`: how twins differ."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from filterscope.jobs.findings.query import shown
from filterscope.jobs.grid import grid
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.training.twins import compare_twins

_DIGITS = 3


def print_twins(
    runs: Sequence[Path],
    pairs: str,
    out: Path | None = None,
    format: str = "table",  # noqa: A002
    *,
    safe: bool = False,
) -> str:
    """Compare the twins of a run and return what is said of them; write the table `training_comparison`, if asked.

    Raises
    ------
    InputError
        If it is not one run or not two variants, or they are not there.
    """
    names = tuple(name.strip() for name in pairs.split(",") if name.strip())
    if len(runs) != 1 or len(set(names)) != 2:
        raise InputError(f"--pairs {pairs}: two variants of the twins of one run, such as --pairs plain,interpretable")
    found = compare_twins(runs[0], names)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        found.write_parquet(out / "training_comparison.parquet")
    return _table(found, names) if format == "table" else shown(found, format, safe=safe)


def _table(found: pl.DataFrame, names: Sequence[str]) -> str:
    """Return the averages over seeds of each subject as text."""
    pieces = []
    for (recipe, subject), rows in found.group_by("recipe", "subject", maintain_order=True):
        seeds = rows["seed"].drop_nulls().n_unique()
        mean = rows.filter(pl.col("seed").is_null())
        table = grid(("measure", *names, "difference"), map(_row, mean.iter_rows(named=True)))
        pieces.append(f"{recipe} on {subject}, mean of {seeds} seed{'s' if seeds > 1 else ''}\n{table}")
    note = (
        "difference: with its 95 % interval, over images for accuracy and over filters for the others; --format csv lists "
        "each seed"
    )
    return "\n".join([*pieces, note]) + "\n"


def _row(row: dict[str, float]) -> tuple[object, ...]:
    first, second = row["plain"], row["interpretable"]
    low, high = (f"{row[end]:+.{_DIGITS}f}" for end in ("low", "high"))
    values = (f"{value:.{_DIGITS}f}" for value in (first, second))
    return row["measure"], *values, f"{second - first:+.{_DIGITS}f} [{low}, {high}]"


__all__ = ["print_twins"]
