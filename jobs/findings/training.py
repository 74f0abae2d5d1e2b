"""What trainings came to, for the terminal."""

from pathlib import Path

from filterscope.jobs.grid import folded, grid
from filterscope.pipeline.training.findings import controls, last


def print_training(run: str | Path, recipe: str | None = None) -> str:
    """Return the last measures of each training, beside their controls, as text."""
    rows = last(run, recipe)
    if rows.is_empty():
        return "no epoch is done"
    shown = (
        (
            row["model"],
            row["epoch"],
            row["metric"],
            _number(row["train"]),
            _number(row["heldout"]),
            _number(row["control"]),
        )
        for row in rows.iter_rows(named=True)
    )
    table = grid(("network", "epochs", "measure", "train", "held out", "control"), shown)
    name = rows["model"][0]
    notes = "\n".join(folded(says).strip() for says in controls(rows))
    return f"{table}\n{notes}\naudit one: --model trained:{run}/{name}"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


__all__ = ["print_training"]
