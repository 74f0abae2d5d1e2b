"""What the loop came to, for the terminal."""

from pathlib import Path

import polars as pl

from filterscope.jobs.findings.query import fitted
from filterscope.jobs.grid import folded
from filterscope.pipeline.debugging.findings import FINDINGS, found, steps, verdicts


def print_debug(run: str | Path, model: str) -> str:
    """Return what was found, what each fix did beside its control, and where mended networks are, as text."""
    from filterscope import schemas

    own = pl.col("model") == model
    told = [folded(row["found"]) for row in found(run).filter(own).iter_rows(named=True)]
    shown = steps(run).filter(own).drop("model", "low", "high")
    said = [folded(f"{row['step']}: {row['verdict']}") for row in verdicts(run).filter(own).iter_rows(named=True)]
    note = folded(FINDINGS[2].note)
    networks = schemas.scan_debug_steps(run).filter(own).select("network").unique(maintain_order=True).collect()
    names = [Path(file).stem for file in networks["network"].sort().to_list()]
    opens = [f"audit what was mended: --model trained:{run}/{name}" for name in names]
    return "\n\n".join(["\n".join(told), fitted(shown), note, "\n".join(said), "\n".join(opens)])


__all__ = ["print_debug"]
