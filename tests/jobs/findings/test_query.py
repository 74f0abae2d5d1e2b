"""SQL over a run: what it answers, how the answer is written, and what it refuses."""

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filterscope.jobs.findings.query import query, run_query
from filterscope.pipeline.engine.errors import InputError
from filterscope.schemas.results import TABLES
from tests.audits import unit

UNIT_COLUMNS = ", ".join(TABLES["units"].names)


def write(run: Path, table: str, rows: list[dict[str, Any]], part: str) -> None:
    file = run / "tables" / table / f"{part}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=TABLES[table]), file)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers in three parts: units 0 to 3 of b, unit 0 of c, and one map."""
    run = tmp_path_factory.mktemp("run")
    write(run, "units", [unit("b", 0, 0.5, "dog"), unit("b", 1, 0.0, None)], "model=a/layer=b/units-0000")
    write(run, "units", [unit("b", 2, 0.25, 'a "b", c'), unit("b", 3, 0.1, "dog")], "model=a/layer=b/units-0002")
    write(run, "units", [unit("c", 0, 0.03, "cat\u2028")], "model=a/layer=c/units-0000")
    raw = np.array([[0, 1.5]], "<f2").tobytes()
    top = {"model": "a", "layer": "b", "unit": 0, "rank": 0, "image": 7, "view": 7, "maximum": 1.5}
    write(run, "top_images", [top | {"height": 1, "width": 2, "map": raw}], "model=a/layer=b/units-0000")
    return run


def message(run: Path, sql: str, *options: Any) -> str:
    with pytest.raises(InputError) as caught:
        run_query(run, sql, *options)
    return str(caught.value)


def test_all_parts_of_a_table_are_read_and_tables_join(run: Path) -> None:
    counts = query(run, "select layer, count(*) as units from units where detector group by layer order by layer")
    assert counts.rows() == [("b", 3)]
    joined = query(run, "select concept, image from units join top_images using (model, layer, unit)")
    assert joined.rows() == [("dog", 7)]


def test_a_table_that_is_not_written_yet_is_empty(run: Path) -> None:
    answer = query(run, "select lift, concept from unit_concept")
    assert (answer.columns, answer.height) == (["lift", "concept"], 0)


def test_a_table_for_people_fits_the_terminal(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert run_query(run, "select unit, iou / 3 as third, concept from units where layer = 'b' order by unit limit 2") == (
        "unit  third  concept\n"
        "----  -----  -------\n"
        "   0  0.167  dog\n"
        "   1      0  -\n"
        "(2 rows)\n"
    )  # fmt: skip
    whole = run_query(run, "select * from units order by unit")
    assert max(map(len, whole.splitlines())) <= 40
    assert "left out to fit 40 columns:" in whole


def test_markdown_has_the_number_of_rows_below(run: Path) -> None:
    sql = "select unit, iou, concept from units where layer = 'b' order by unit limit 2"
    assert run_query(run, sql, "markdown") == (
        "| unit | iou | concept |\n"
        "|------|-----|---------|\n"
        "|    0 | 0.5 | dog     |\n"
        "|    1 | 0.0 | null    |\n"
        "(2 rows)\n"
    )


def test_markdown_cuts_neither_columns_nor_text(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    sql = f"select *, '{'x' * 500}' as long from units where iou = 0.5"
    header, _, row = run_query(run, sql, "markdown").splitlines()[:3]
    assert [cell.strip() for cell in header.strip("|").split("|")] == [*TABLES["units"].names, "long"]
    assert "x" * 500 in row


def test_a_table_shows_a_hundred_rows_and_says_so(run: Path) -> None:
    sql = "select u.unit from units u cross join units v cross join units w"
    assert run_query(run, sql).splitlines()[-1] == "(first 100 of 125 rows; a limit of 0 shows all)"
    assert run_query(run, sql, limit=0).splitlines()[-1] == "(125 rows)"
    assert run_query(run, sql, "markdown", limit=3).count("\n|") == 4
    assert run_query(run, sql, limit=3).count("\n") == 6
    assert run_query(run, sql, "csv").count("\n") == 126
    assert len(json.loads(run_query(run, sql, "json", limit=2))) == 2


def test_csv_holds_nested_values_as_json_and_bytes_as_base64(run: Path) -> None:
    text = run_query(run, "select concept, best_per_category from units where layer = 'b' order by unit", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["concept"] for row in rows] == ["dog", "", 'a "b", c', "dog"]
    assert json.loads(rows[2]["best_per_category"]) == [{"category": "object", "concept": 'a "b", c', "iou": 0.25}]
    assert rows[1]["best_per_category"] == "[]"
    (top,) = csv.DictReader(io.StringIO(run_query(run, "select image, map from top_images", "csv")))
    assert np.frombuffer(base64.b64decode(top["map"]), "<f2").tolist() == [0, 1.5]


def test_a_missing_nested_value_is_nothing_in_csv(run: Path) -> None:
    sql = "select unit, case when unit > 1 then best_per_category end as best from units where layer = 'b' and unit < 3"
    lines = run_query(run, sql + " order by unit", "csv").splitlines()
    assert lines[:3] == ["unit,best", "0,", "1,"]
    assert lines[3].startswith('2,"[{""category"":')


def test_json_is_a_list_of_records(run: Path) -> None:
    records = json.loads(
        run_query(run, "select unit, concept, mean, best_per_category from units order by iou", "json")
    )
    assert [record["concept"] for record in records] == [None, "cat\u2028", "dog", 'a "b", c', "dog"]
    assert records[0] == {"unit": 1, "concept": None, "mean": None, "best_per_category": []}
    assert records[1]["best_per_category"] == [{"category": "object", "concept": "cat\u2028", "iou": 0.03}]
    (top,) = json.loads(run_query(run, "select map from top_images", "json"))
    assert base64.b64decode(top["map"]) == np.array([0, 1.5], "<f2").tobytes()
    assert json.loads(run_query(run, "select unit from units where false", "json")) == []


def test_binary_values_are_counted_in_a_table_and_refused_when_nested(run: Path) -> None:
    assert run_query(run, "select map from top_images").splitlines()[2] == "<4 bytes>"
    assert run_query(run, "select map from top_images", "markdown").splitlines()[2] == "| <4 bytes> |"
    expected = "column 'maps' nests binary values, which csv and json cannot hold; unnest it first"
    assert message(run, "select array_agg(map) as maps from top_images", "csv") == expected


def test_describe_reads_the_schema(run: Path) -> None:
    answer = query(run, "DESCRIBE layers;")
    assert answer.columns == ["column", "type", "unit", "meaning", "null"]
    channels = answer.row(by_predicate=pl.col("column") == "channels")
    assert channels == ("channels", "int32", "", "units of the layer", "")
    assert query(run, "show columns from layers").equals(answer)


def test_show_tables_lists_every_table(run: Path) -> None:
    assert query(run, "show tables")["name"].to_list() == sorted(TABLES)


@pytest.mark.parametrize("sql", ["-- text\nselect 1", "/* a */ (select 1)", "  WITH q AS (SELECT 1) SELECT * FROM q;"])
def test_comments_and_brackets_may_stand_before_a_statement(run: Path, sql: str) -> None:
    assert query(run, sql).rows() == [(1,)]


def test_an_unknown_table_lists_the_tables(run: Path) -> None:
    tables = ", ".join(TABLES)
    expected = f"no table 'unit' in {run}. Did you mean 'units'? Tables are: {tables}."
    assert message(run, "select * from unit") == expected
    assert message(run, "describe unit") == expected
    assert message(run, "select z.iou from units") == f"no table 'z' in {run}. Tables are: {tables}."


@pytest.mark.parametrize(
    "sql", ["select iuo from units", "select u.iuo from units u", "select 1 from units where iuo > 0"]
)
def test_an_unknown_column_lists_the_columns(run: Path, sql: str) -> None:
    assert message(run, sql) == f"no column 'iuo'. Did you mean 'iou'? Columns here are: {UNIT_COLUMNS}."


def test_text_in_double_quotes_is_explained(run: Path) -> None:
    assert message(run, 'select iou from units where concept = "dog"') == (
        f"no column 'dog'. Text stands in single quotes: 'dog'. Columns here are: {UNIT_COLUMNS}."
    )


@pytest.mark.parametrize("sql", ["drop table units", "delete from units", "(truncate table units)", "selec 1"])
def test_a_statement_that_does_not_read_is_refused(run: Path, sql: str) -> None:
    word = sql.strip("(").split()[0].upper()
    assert message(run, sql) == (
        f"received a statement that starts with {word}; "
        "a query only reads: start it with SELECT, WITH, SHOW TABLES, DESCRIBE or EXPLAIN"
    )
    assert query(run, "select unit from units").height == 5


def test_an_empty_statement_is_refused(run: Path) -> None:
    expected = "received ' '; a query only reads: start it with SELECT, WITH, SHOW TABLES, DESCRIBE or EXPLAIN"
    assert message(run, " ") == expected


def test_what_the_engine_cannot_do_is_said_in_one_line(run: Path) -> None:
    assert message(run, "select foo(iou) from units") == (
        "cannot answer 'select foo(iou) from units': unsupported function 'foo'"
    )
    assert message(run, "select 1; select 2") == (
        "cannot answer 'select 1; select 2': one (and only one) statement can be parsed at a time"
    )


def test_wrong_options_are_refused(run: Path) -> None:
    expected = "unknown format 'jsn'; formats are table, markdown, csv, json. Did you mean 'json'?"
    assert message(run, "select 1", "jsn") == expected
    assert message(run, "select 1", "csv", -1) == "limit: received -1; expected the number of rows, or 0 for all"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "runs" / "first"
    assert message(missing, "select 1") == f"no run at {missing}; `filterscope audit --out {missing}` makes one"
    assert message(tmp_path, "select 1") == (
        f"{tmp_path} is not a run (it has no run.toml and no tables); give the folder of `audit --out`"
    )
    (tmp_path / "run.toml").touch()
    assert query(tmp_path, "select unit from units").height == 0
