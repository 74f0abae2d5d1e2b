"""The verb `status`: what is done and what is left of a run, read from its ledger."""

import json
from pathlib import Path

from jobs.stages import stages_of
from pipeline.run import RunFolder


def run_status(run: str | Path) -> list[dict[str, object]]:
    """Return, for each stage, its units, how many are done, its rejects and the seconds its work took."""
    folder = RunFolder.existing(run)
    rows: list[dict[str, object]] = []
    for stage in stages_of(folder.plan()):
        left = len(folder.ledger.missing(stage.units))
        records = list(folder.ledger.records(stage.name))
        rows.append(
            {
                "stage": stage.name,
                "units": len(stage.units),
                "done": len(stage.units) - left,
                "left": left,
                "rejects": sum(record["rejects"] for record in records),
                "finished": max((record["finished"] for record in records), default=None),
            }
        )
    return rows


def print_status(run: str | Path, *, as_json: bool = False) -> None:
    """Print the state of a run."""
    from rich.console import Console
    from rich.table import Table

    rows = run_status(run)
    if as_json:
        Console().print_json(json.dumps(rows))
        return
    table = Table(title=str(run), title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="left" if name in ("stage", "finished") else "right")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)
