"""The verb `status`: what is done and what is left of a run, how fast it goes, and what went wrong last."""

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from filterscope.jobs.terminal import plain
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.places import path_of

#: Seconds between two looks of `--watch`.
EVERY = 2.0

#: Seconds before the last finished task over which the rate is taken.
_WINDOW = 600.0
_ERRORS = 3


def run_status(run: str | Path) -> list[dict[str, object]]:
    """Return, for each stage, its tasks, how many are done and left, its rejects, when the last was finished, its rate.

    Tasks a minute are counted over the ten minutes before the last finished one, as marked to the second; None where
    fewer than two moments are known. `seconds_left` is the tasks left over this rate.
    """
    folder = RunFolder.existing(run)
    rows: list[dict[str, object]] = []
    for stage in Stages(folder.plan()).all():
        left = folder.ledger.count_missing(stage.keys)
        records = list(folder.ledger.records(stage.name))
        rate = tasks_a_minute([record["finished"] for record in records])
        rows.append(
            {
                "stage": stage.name,
                "tasks": len(stage.keys),
                "done": len(stage.keys) - left,
                "left": left,
                "rejects": sum(record["rejects"] for record in records),
                "finished": max((record["finished"] for record in records), default=None),
                "tasks_a_minute": rate,
                "seconds_left": 0.0 if not left else round(60 * left / rate) if rate else None,
            }
        )
    return rows


def tasks_a_minute(finished: list[str]) -> float | None:
    """Return how fast tasks were finished of late, from their times in ISO 8601; the first only starts the clock."""
    moments = sorted(datetime.fromisoformat(text) for text in finished)
    moments = [moment for moment in moments if (moments[-1] - moment).total_seconds() <= _WINDOW]
    seconds = (moments[-1] - moments[0]).total_seconds() if moments else 0.0
    later = sum(moment > moments[0] for moment in moments) if moments else 0
    return round(60 * later / seconds, 1) if seconds else None


def last_errors(run: str | Path) -> list[str]:
    """Return the last stops of a run that were failures or interruptions, newest first, and how many items it rejected."""
    import polars as pl

    from filterscope import schemas

    runs = schemas.scan(run, "runs").filter(pl.col("outcome") != "done").sort("started", descending=True)
    stops = runs.head(_ERRORS).collect().iter_rows(named=True)
    lines = [f"{row['outcome']} {row['started']:%Y-%m-%d %H:%M:%S} after {row['seconds']:.0f} s" for row in stops]
    reasons = (
        schemas.scan(run, "rejects")
        .filter(pl.col("stage") != "float16")
        .group_by("reason")
        .len()
        .sort("len", "reason", descending=[True, False])
    )
    return lines + [
        f"{row['len']} rejected: {row['reason'][:200]}" for row in reasons.head(_ERRORS).collect().to_dicts()
    ]


def print_status(run: str | Path, *, as_json: bool = False, watch: bool = False) -> None:
    """Print the state of a run; with `watch`, again and again until all is done."""
    from rich.console import Console, Group
    from rich.live import Live

    console = Console()
    if as_json and watch:
        raise InputError("--json and --watch exclude each other; call --json as often as you like")
    if as_json:
        console.print_json(json.dumps(run_status(run)))
    elif not watch:
        console.print(Group(*_lines(run, run_status(run))))
    else:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                rows = run_status(run)
                live.update(Group(*_lines(run, rows)), refresh=True)
                if not any(row["left"] for row in rows):
                    return
                time.sleep(EVERY)


def _lines(run: str | Path, rows: list[dict[str, object]]) -> list[Any]:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(plain(str(run))), title_justify="left")
    names = ("stage", "tasks", "done", "left", "rejects", "finished", "tasks/min", "time left")
    for name in names:
        table.add_column(name, justify="left" if name in ("stage", "finished") else "right")
    for row in rows:
        *cells, seconds = row.values()
        cells.append(None if seconds is None else _duration(float(str(seconds))))
        table.add_row(*(Text("" if value is None else plain(str(value))) for value in cells))
    return [table, *(Text(plain(line)) for line in (*_holder(path_of(run)), *last_errors(run)))]


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


def _holder(run: Path) -> list[str]:
    """Say who works on the run."""
    from filterscope.pipeline.engine.lock import dead, read_holder

    holder = read_holder(run)
    if holder is None:
        return []
    who = f"process {holder['process']} on {holder['host']}"
    return [f"{who} died while it ran this audit" if dead(holder) else f"{who} is running this audit"]
