"""The state of a run: rate, time left, who works on it, and what went wrong last."""

import json
import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filterscope.jobs.cli import main as cli
from filterscope.jobs.runs import status
from filterscope.jobs.runs.status import last_errors, print_status, tasks_a_minute
from filterscope.schemas.results import TABLES

ROWS = [
    {"stage": "extract", "tasks": 9, "done": 3, "left": 6, "rejects": 1, "finished": "2026-01-01T00:01:00+00:00",
     "tasks_a_minute": 2.0, "seconds_left": 180},
]  # fmt: skip


def write(run, table, rows):
    path = run / "tables" / table / "part.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=TABLES[table]), path)


def test_the_rate_is_that_of_the_last_ten_minutes():
    assert tasks_a_minute([]) is None
    assert tasks_a_minute(["2026-01-01T00:00:00+00:00"] * 3) is None
    assert tasks_a_minute([f"2026-01-01T00:00:{second:02d}+00:00" for second in (30, 0, 15)]) == 4.0
    assert (
        tasks_a_minute(["2026-01-01T00:00:00+00:00", "2026-01-01T02:00:00+00:00", "2026-01-01T02:01:00+00:00"]) == 1.0
    )


def test_the_last_errors_and_the_commonest_rejects_are_told(tmp_path):
    started = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"seconds": 5.0, "command": "", "parameters": "{}", "versions": "{}"}
    write(tmp_path, "runs", [{**row, "started": started, "outcome": out} for out in ("done", "interrupted")])
    rejects = [{"stage": "extract", "item": f"{n}.png", "reason": "[bold]torn" if n else "odd"} for n in range(3)]
    write(tmp_path, "rejects", rejects)
    assert last_errors(tmp_path) == [
        "interrupted 2026-01-01 00:00:00 after 5 s",
        "2 rejected: [bold]torn",
        "1 rejected: odd",
    ]


def test_watch_looks_until_all_is_done(tmp_path, monkeypatch, capsys):
    looks = [ROWS, ROWS, [{**ROWS[0], "done": 9, "left": 0, "seconds_left": 0}]]
    monkeypatch.setattr(status, "run_status", lambda run: looks.pop(0))
    monkeypatch.setattr(status, "EVERY", 0.0)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "lock.json").write_text(json.dumps({"process": 7, "host": "there"}))
    print_status(tmp_path, watch=True)
    text = capsys.readouterr().out
    assert not looks
    assert "0:00:00" in text
    assert "process 7 on there is running this audit" in text


def test_time_left_stands_beside_the_rate(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(status, "run_status", lambda run: ROWS)
    monkeypatch.setenv("COLUMNS", "160")
    print_status(tmp_path)
    assert re.search(r" 2  0:03:00\n", capsys.readouterr().out)


@pytest.mark.parametrize("form", [["--json"], ["--format", "json"]])
def test_json_holds_what_the_table_holds(tmp_path, monkeypatch, capsys, form):
    monkeypatch.setattr(status, "run_status", lambda run: ROWS)
    with pytest.raises(SystemExit):
        cli.main(["status", str(tmp_path), *form])
    assert json.loads(capsys.readouterr().out) == ROWS
    with pytest.raises(SystemExit) as stop:
        cli.main(["status", str(tmp_path), "--watch", *form])
    assert stop.value.code == 2
    assert "error: --watch shows a table; call --format json as often as you like" in capsys.readouterr().err


def test_the_table_fits_80_columns(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(status, "run_status", lambda run: ROWS)
    monkeypatch.delenv("COLUMNS", raising=False)
    print_status(tmp_path)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert max(map(len, lines)) <= 80
    assert not any("left out" in line for line in lines)
