"""A query calls what computes, and nothing that opens a file or an address, however it is spelled."""

import re
from pathlib import Path

import polars as pl
import pytest
from polars import polars as runtime

from filterscope.jobs.findings.query import query
from filterscope.jobs.findings.statement import FUNCTIONS, checked
from filterscope.pipeline.engine.errors import InputError
from filterscope.schemas.results import TABLES

NOT_A_TABLE_FUNCTION = "is not a supported table function"


def unguarded(sql):
    """What Polars itself says of a statement, over one table."""
    try:
        pl.SQLContext({"t": pl.LazyFrame({"a": [1]})}).execute(sql, eager=True)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        return str(error)
    return ""


def table_functions():
    """Names that Polars takes for functions that return a table, of all names in its library and its Python package."""
    library = Path(runtime.__file__).read_bytes()
    names = {
        name.decode()
        for name in re.findall(rb"(?:read|scan|from|load|glob|fetch|open|delta|iceberg)_?[a-z_]{0,16}", library)
    }
    names |= {name for name in dir(pl) if name.islower()}
    # in static text names stand one behind the other, so that what is found may end too late
    names |= {name[:end] for name in names if name.startswith(("read_", "scan_")) for end in range(7, len(name))}
    return {name for name in names if NOT_A_TABLE_FUNCTION not in unguarded(f"select * from {name}('/nowhere')")}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run" / "tables").mkdir(parents=True)
    return tmp_path / "run"


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.csv"
    path.write_text("password\nhunter2\n")
    assert "password" in pl.SQLContext().execute(f"select * from read_csv('{path}')", eager=True).columns
    return path


def test_every_table_function_of_polars_is_refused(run):
    reading = {
        name for name in table_functions() if not re.search("syntax|parser", unguarded(f"select * from {name}('/x')"))
    }
    assert {"read_csv", "read_ipc", "read_json", "read_ndjson", "read_parquet"} <= reading
    for name in reading:
        with pytest.raises(
            InputError, match=rf"^received {name}\(...\); a query reads the tables of its run, and no file"
        ):
            query(run, f"select * from {name}('/nowhere')")


def test_no_function_that_is_passed_on_is_one_of_a_table():
    assert {name for name in FUNCTIONS if "/nowhere" in unguarded(f"select * from {name}('/nowhere')")} == set()
    # and each is one that Polars knows
    assert {
        name for name in FUNCTIONS if f"unsupported function '{name}'" in unguarded(f"select {name}(a) from t")
    } == set()


@pytest.mark.parametrize(
    "spelled",
    [
        "read_csv('{}')", "READ_CSV('{}')", '"read_csv"(\'{}\')', "`read_csv`('{}')", "read_csv /* a */ ('{}')",
        "read_csv -- a\n('{}')", "read_csv\t\n('{}')", "/**/read_csv/* /* nested */ */('{}')", "models, read_csv('{}')",
        "models join read_csv('{}') on true", "(select * from read_csv('{}'))",
        "models where model in (select * from read_csv('{}'))",
        "models union all select * from read_csv('{}')", "models as a, read_csv('{}') as b", "lateral read_csv('{}')",
        "table(read_csv('{}'))", "models -- '\n, read_csv('{}')", "models /* ' */, read_csv('{}') /* ' */",
        "models where model = 'it''s', read_csv('{}')", 'models as "a""b", read_csv(\'{}\')', "models --\r, read_csv('{}')",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "begins", ["select * from", "explain select * from", "with x as (select 1) select * from", "from"]
)
def test_no_spelling_reads_a_file(run, secret, spelled, begins):
    with pytest.raises(InputError, match=r"(?i)^received .?read_csv.?\(|unsupported function 'table'$") as error:
        query(run, f"{begins} {spelled.format(secret)}")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/x.csv", "s3://bucket/x.parquet", "hf://datasets/x", "file:///etc/passwd"]
)
def test_no_address_is_asked(run, address):
    for function in ("read_csv", "read_parquet", "read_ndjson"):
        with pytest.raises(InputError, match=f"received {function}\\("):
            query(run, f"select * from {function}('{address}')")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select E'\\', read_csv(''x'') --'", "received a string after E; give it in plain single quotes"),
        ("select U&'a'", "received a string after &"),
        ("select $$ ' $$ from read_csv('x')", "cannot read the statement from"),
        ("select 'open", "cannot read the statement from"),
        ("select /* /* */ 1", "a comment /\\* is not closed"),
        ("select 1; select 2", r"one \(and only one\) statement can be parsed at a time$"),
        ("select 1; -- and\n delete from models", r"one \(and only one\) statement can be parsed at a time$"),
        ("select avrage(iou) from units", "unsupported function 'avrage'$"),
    ],
)
def test_what_may_be_read_in_two_ways_is_refused(run, sql, message):
    with pytest.raises(InputError, match=message):
        query(run, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) as n from units where concept = 'read_csv(''x'')'",
        "select 'read_csv(1)' as \"read_csv('x')\" from units",
        "select model, avg(iou)::float as m from units group by model having count(*) > 1 order by m desc limit 3",
        "with best(u) as (select unit from units) select * from best where u in (select unit from units)",
        "select a.unit from units as a join thresholds using (model, layer, unit) where (a.iou >= .04) and not a.iou <> 1e-3;",
        "select row_number() over (partition by layer order by iou desc) as r, cast(iou as decimal(10, 2)) from units -- end",
        "select case when iou between 0 and 1 then 'a' else x'41' end from units /* end */ ;",
        "show tables",
        "explain select * from units",
        "from units",
    ],
)
def test_what_reads_the_tables_is_answered(run, sql):
    assert checked(checked(sql)) == checked(sql)
    query(run, sql)


def test_other_frames_and_files_are_no_tables(run, secret):
    units = pl.DataFrame({"password": ["hunter2"]})  # noqa: F841
    assert "password" not in query(run, "select * from units").columns
    assert len(query(run, "show tables")) == len(TABLES)
    for name in (f"'{secret}'", f'"{secret}"', "os.environ"):
        with pytest.raises(InputError, match="no table"):
            query(run, f"select * from {name}")
