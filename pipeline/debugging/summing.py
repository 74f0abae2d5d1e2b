"""What the trials of a fix and of its control came to: the part of `debug_steps` and `debug_found` of a step."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.statistics.repeated import Repeated, Statistic, means
from filterscope.pipeline.debugging.choose import chooser_of
from filterscope.pipeline.debugging.fixes import COLLECT
from filterscope.pipeline.debugging.measure import ACCURACY, EASY, HARD, Column, statistics
from filterscope.pipeline.debugging.trial import Stand, Task, network_name, read_trial, record_of, stand_of
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.models.names import network_path
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


@dataclass(frozen=True)
class Sum:
    """A step: the keys of its trials, and what they are about as a task whose own key is that of the sum."""

    task: Task
    before: Key
    fixes: tuple[Key, ...]
    controls: tuple[Key, ...]


def sum_up(work: Sum) -> list[Output]:
    """Write the part of a step of both tables."""
    task, run = work.task, work.task.run
    stand = stand_of(run, task.model, task.options, record_of(run))
    before = read_trial(run, work.before.place)
    fixes, controls = ([read_trial(run, key.place) for key in keys] for keys in (work.fixes, work.controls))
    columns = [Column(*names) for names in before["columns"].tolist()]
    rows = _rows(stand, columns, *(np.stack([one["values"] for one in part]) for part in ([before], fixes, controls)))
    looked = float(np.mean([one["looked"] for one in fixes]))
    known = {**_known(task, stand, work), "looked": looked}
    tables = {
        "debug_steps": [{**known, **row} for row in rows],
        "debug_found": [
            {
                **{name: known[name] for name in ("model", "problem", "step")},
                "kind": stand.problem.kind,
                "line": n,
                "text": text,
            }
            for n, text in enumerate([*stand.problem.said, *_said(rows, stand)])
        ],
    }
    count, checksums = 0, {}
    for name, content in tables.items():
        table = pa.Table.from_pylist(content, schema=TABLES[name])
        added, checksums[name] = write_table(run, name, task.key.place, [table])
        count += added
    return [Output(task.key, count, checksums=checksums)]


def _known(task: Task, stand: Stand, work: Sum) -> dict[str, Any]:
    fix = task.fix
    assert fix is not None
    by = f", chosen by {chooser_of(task.options.choose, stand.problem)}" if fix.kind == COLLECT else ""
    does, _, control = fix.what.partition("; ")
    network: Path = network_path(Path(), network_name(work.fixes[0].place))
    return {
        "model": task.model,
        "problem": stand.problem.name,
        "step": fix.text,
        "kind": fix.kind,
        "what": f"{does}{by}; {control}",
        "cost": fix.cost,
        "seeds": len(work.fixes),
        "network": network.as_posix(),
    }


def _rows(
    stand: Stand, columns: list[Column], before: np.ndarray, fixes: np.ndarray, controls: np.ndarray
) -> list[dict[str, Any]]:
    views = stand.material.measuring()
    repeated = Repeated(stand.material.new.views.group[views].astype(np.int64), len(fixes))
    drawn, other = repeated.drawn(fixes), repeated.drawn(controls)
    centre = [means(values) for values in (before, fixes, controls)]
    rows = []
    for column, statistic in statistics(columns):
        was, after, control = (_point(statistic, values) for values in centre)
        ends = repeated.interval(drawn, statistic), repeated.interval(other, statistic)
        (low, high), (control_low, control_high) = ends
        gain_low, gain_high = repeated.difference(drawn, other, statistic)
        values = {
            "before": was, "after": after, "low": low, "high": high, "control": control, "control_low": control_low,
            "control_high": control_high, "gain": after - control, "gain_low": gain_low, "gain_high": gain_high,
        }  # fmt: skip
        counted = [n for n, own in enumerate(columns) if (own.measure, own.label) == (column.measure, column.label)]
        if column in columns:
            counted = [columns.index(column)]
        known: dict[str, Any] = {
            "measure": column.measure, "label": column.label or None, "group": column.group or None,
        }  # fmt: skip
        examples = int((~np.isnan(before[0][:, counted])).any(axis=1).sum())
        rows.append(known | {"examples": examples} | {name: _or_none(value) for name, value in values.items()})
    return rows


def _point(statistic: Statistic, values: np.ndarray) -> float:
    return float(statistic(values).mean())


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _said(rows: list[dict[str, Any]], stand: Stand) -> list[str]:
    """Say on which images the network fails before anything is mended."""
    lines = []
    for row in rows:
        if (row["measure"], row["group"]) == (ACCURACY, HARD) and row["before"] is not None:
            easy = next(
                one for one in rows if (one["measure"], one["label"], one["group"]) == (ACCURACY, row["label"], EASY)
            )
            what = "that contradict it" if stand.problem.pair else "of the blind spot"
            rest = "" if easy["before"] is None else f", and {easy['before']:.1%} of {easy['examples']:,} others"
            lines.append(
                f"{row['label'] or 'the class'}: right on {row['before']:.1%} of {row['examples']:,} images {what}{rest}"
            )
    return lines


__all__ = ["Sum", "sum_up"]
