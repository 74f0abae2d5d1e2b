"""The verb `status`: what is done and what is left of a run, how fast it goes, and what went wrong last."""

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from filterscope.jobs.grid import folded, grid
from filterscope.jobs.terminal import show
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.places import path_of
from filterscope.pipeline.training.folder import TrainingFolder

#: Seconds between two looks of `--watch`.
EVERY = 2.0

#: Seconds before the last finished task over which the rate is taken.
_WINDOW = 600.0
_ERRORS = 3


def run_status(run: str | Path) -> list[dict[str, object]]:
    """Return tasks, done, left, rejects, retries, when the last was finished, and the rate, of each stage or each training.

    Retries are requests to an object store that were sent again, by the markers; those of damaged markers are not counted.
    Tasks a minute are counted over the ten minutes before the last finished one, as marked to the second; None where
    fewer than two moments are known. `seconds_left` is the tasks left over this rate.
    """
    rows: list[dict[str, object]] = []
    if training := TrainingFolder.at(run):
        folder, stages = training.run, [chain.whole() for chain in training.chains()]
    else:
        folder = RunFolder.existing(run)
        stages = Stages(folder.plan()).all()
    for stage in stages:
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
                "retries": sum(record["retries"] for record in records),
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


def print_status(run: str | Path, *, watch: bool = False) -> None:
    """Print the state of a run; with `watch`, again and again until all is done."""
    if not watch:
        show(_text(run, run_status(run)))
        return
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        while True:
            rows = run_status(run)
            live.update(Text(_text(run, rows)), refresh=True)
            if not any(row["left"] for row in rows):
                return
            time.sleep(EVERY)


def _text(run: str | Path, rows: list[dict[str, object]]) -> str:
    names = ("stage", "tasks", "done", "left", "rejects", "finished", "tasks/min", "time left")
    table = grid(names, ([*list(row.values())[:5], _moment(row), row["tasks_a_minute"], _left(row)] for row in rows))
    lines = [folded(line) for line in (*_holder(path_of(run)), *_repeated(rows), *last_errors(run))]
    return f"{run}\n\n{table}{''.join(lines)}".rstrip("\n")


def _repeated(rows: list[dict[str, object]]) -> list[str]:
    """Say how often the object store had to be asked again."""
    count = sum(int(str(row.get("retries", 0))) for row in rows)
    return [f"{count} requests to the object store were sent again"] if count else []


def _moment(row: Mapping[str, object]) -> str | None:
    """Return when the last task was finished, to the second, in the time of the run's records."""
    return None if row["finished"] is None else f"{datetime.fromisoformat(str(row['finished'])):%Y-%m-%d %H:%M:%S}"


def _left(row: Mapping[str, object]) -> str | None:
    return None if row["seconds_left"] is None else _duration(float(str(row["seconds_left"])))


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


def _holder(run: Path) -> list[str]:
    """Say who works on the run."""
    from filterscope.pipeline.engine.lock import dead, read_holder

    holder = read_holder(run)
    if holder is None:
        return []
    what = "training" if TrainingFolder.at(run) else "audit"
    who = f"process {holder['process']} on {holder['host']}"
    return [f"{who} died while it ran this {what}" if dead(holder) else f"{who} is running this {what}"]
