"""Names of concepts that are SQL, HTML, paths or very long are data from the source to the answer of a query."""

import csv
import io
import json
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from filterscope.jobs.findings.query import query, run_query
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.schemas.results import TABLES
from tests.audits import unit
from tests.fuzz.generated import COUNTS, NASTY, fuzzed, texts


def answers(folder, name: str) -> None:
    COUNTS["names"] += 1
    file = folder / "tables" / "units" / "model=a" / "layer=b" / "units-0.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.Table.from_pylist([unit("b", 0, 0.5, name), unit("b", 1, 0.4, "other")], schema=TABLES["units"]), file
    )
    quoted = name.replace("'", "''")
    assert query(folder, f"select concept from units where concept = '{quoted}'").rows() == (
        [(name,)] if name != "other" else []
    )
    sql = "select concept from units where unit = 0"
    assert json.loads(run_query(folder, sql, "json")) == [{"concept": name}]
    assert list(csv.reader(io.StringIO(run_query(folder, sql, "csv"), newline="")))[1:] == [[name]]
    assert name in run_query(folder, sql) or not name.isprintable()


@fuzzed(400, 15)
@given(name=texts)
def test_any_name_is_found_by_a_query(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / "named"
    folder.mkdir(exist_ok=True)
    answers(folder, name)


@pytest.mark.parametrize("name", NASTY)
def test_hostile_names_are_found_by_a_query(tmp_path, name):
    answers(tmp_path, name)


def test_two_ways_to_write_a_letter_are_one_concept(tmp_path):
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        assert writer.concept("e\u0301", "object") == writer.concept("\u00e9", "object")
        writer.concept("\ud800", "object")
    names = Dataset(tmp_path / "data").concepts["name"].to_pylist()
    assert names == [unicodedata.normalize("NFC", "e\u0301"), "\\ud800"]
