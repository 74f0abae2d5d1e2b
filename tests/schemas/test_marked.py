"""Parts of result tables that markers promise are checked before they are read."""

import os
import threading
import time

import polars as pl
import pyarrow as pa
import pytest

from filterscope import schemas
from filterscope.jobs.findings.query import query
from filterscope.pipeline.engine.keys import Fingerprint, Key
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.stores.tables import table_path, write_table
from filterscope.schemas import marked
from filterscope.schemas.opening import DamagedError
from filterscope.schemas.results import TABLES

PLACES = [("net", layer, f"units-{start:06d}") for layer in ("early", "late") for start in (0, 64)]


def written(run, place, limit=0.0, seed=0, *, mark=True):
    row = {"model": place[0], "layer": place[1], "unit": 0, "threshold": limit, "quantile": 0.005, "count": 10}
    rows = pa.Table.from_pylist([row], schema=TABLES["thresholds"])
    _, digest = write_table(run, "thresholds", place, [rows])
    output = Output(Key("dissect", place, Fingerprint({"seed": seed})), 1, checksums={"thresholds": digest})
    if mark:
        Ledger(run / "ledger").mark(output, seconds=1.0)
    return output


@pytest.fixture
def run(tmp_path):
    for number, place in enumerate(PLACES):
        written(tmp_path, place, float(number))
    (tmp_path / "run.toml").touch()
    return tmp_path


def limits(run):
    return schemas.scan_thresholds(run).collect()["threshold"].to_list()


def flip(path, bit=3):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1 << bit
    path.write_bytes(data)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(marked, "_PAUSE", 0.05)


@pytest.mark.parametrize("place", PLACES)
def test_a_flipped_bit_is_named_with_the_work_and_what_to_do(run, place):
    assert limits(run) == [0, 1, 2, 3]
    flip(table_path(run, "thresholds", place))
    said = rf"{place[-1]}.parquet, an output of dissect/{'/'.join(place)}, is not the file .* doctor .* --repair"
    with pytest.raises(DamagedError, match=said):
        schemas.scan(run, "thresholds")
    with pytest.raises(DamagedError, match=said):
        schemas.scan_layer(run, "thresholds", *place[:2])
    with pytest.raises(DamagedError, match=said):
        query(run, "select count(*) from thresholds")


@pytest.mark.parametrize("place", PLACES)
def test_a_part_that_is_missing_is_named(run, place):
    table_path(run, "thresholds", place).unlink()
    with pytest.raises(DamagedError, match=f"{place[-1]}.parquet, an output of dissect/.*, is missing"):
        schemas.scan(run, "thresholds")


def test_other_layers_and_other_tables_are_read(run):
    flip(table_path(run, "thresholds", PLACES[0]))
    assert schemas.scan_layer(run, "thresholds", "net", "late").collect().height == 2
    assert schemas.scan(run, "units").collect().is_empty()
    assert query(run, "select count(*) as units from units").item() == 0
    assert "thresholds" in query(run, "show tables")["name"]


def test_what_no_marker_promises_is_read(run):
    written(run, ("net", "late", "units-000128"), 9.0, mark=False)
    assert limits(run) == [0, 1, 2, 3, 9]


def test_what_is_computed_again_is_read_again(run):
    """In one process, as in a notebook: with other values under another fingerprint, and with more work."""
    assert limits(run) == [0, 1, 2, 3]
    written(run, PLACES[1], 7.0, seed=1)
    assert limits(run) == [0, 7, 2, 3]
    written(run, ("net", "late", "units-000128"), 9.0)
    assert limits(run) == [0, 7, 2, 3, 9]
    flip(table_path(run, "thresholds", ("net", "late", "units-000128")))
    with pytest.raises(DamagedError):
        limits(run)


def test_a_reader_waits_for_the_marker_of_a_part_that_was_just_put_in_place(run):
    output = written(run, PLACES[2], 5.0, seed=2, mark=False)

    def mark():
        time.sleep(0.06)
        Ledger(run / "ledger").mark(output, seconds=1.0)

    marking = threading.Thread(target=mark)
    marking.start()
    assert limits(run) == [0, 1, 5, 3]
    marking.join()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"checksums": 7}', b'{"checksums": [1]}'])
def test_a_damaged_marker_is_named(run, content):
    marker = next((run / "ledger" / "dissect").rglob("units-000064.*.json"))
    marker.write_bytes(content)
    with pytest.raises(DamagedError, match=f"the marker .*{marker.name} is damaged; .*doctor"):
        limits(run)
    assert schemas.scan(run, "runs").collect().is_empty(), "a table of which it says nothing"


@pytest.mark.parametrize("irregular", [os.mkfifo, os.mkdir])
def test_pipes_and_folders_are_no_parts_and_no_markers(run, irregular):
    part = table_path(run, "thresholds", PLACES[0])
    part.unlink()
    irregular(part)
    with pytest.raises(DamagedError, match="is not the file that was written"):
        limits(run)
    marker = next((run / "ledger" / "dissect").rglob("units-000064.*.json"))
    marker.unlink()
    irregular(marker)
    with pytest.raises(DamagedError, match=f"the marker .*{marker.name} is damaged"):
        schemas.scan_layer(run, "thresholds", *marker.parts[-3:-1])


def test_runs_of_before_there_were_checksums_are_read(run):
    for marker in (run / "ledger").rglob("*.json"):
        marker.write_text('{"key": "dissect", "rows": 1}')
    flip(table_path(run, "thresholds", PLACES[0]), bit=0)
    with pytest.raises(pl.exceptions.PolarsError):
        limits(run)
