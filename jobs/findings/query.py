"""SQL over the tables of a run, answered as a table for people, Markdown, CSV or JSON."""

import re
from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.jobs.findings.statement import checked
from filterscope.jobs.grid import grid
from filterscope.jobs.terminal import plain
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.stores.places import path_of
from filterscope.schemas import reference
from filterscope.schemas.results import SCANNED, TABLES

TABLE_ROWS = 100

#: Tables whose columns `labels` has.
_LABELLED = ("units", "unit_significance")
FORMATS = ("table", "markdown", "csv", "json")

_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/|\()*([a-z]*)", re.IGNORECASE | re.DOTALL)
_DESCRIBE = re.compile(r"""(?:describe|desc|show\s+columns\s+(?:from|in))\s+["'`]?(\w+)["'`]?\s*;?\s*""", re.IGNORECASE)
_SHOW = re.compile(r"\s*show\b", re.IGNORECASE)
_LABELS = re.compile(r"\blabels\b", re.IGNORECASE)
_READING = ("select", "with", "from", "values", "show", "explain", "describe", "desc")
_MISSING_TABLE = re.compile(r"relation '(.+?)' was not found|no table or struct column named '(.+?)' found")
_MISSING_COLUMN = re.compile(r"unable to find column \"(.+?)\"|no column named '(.+?)' found")
_FORMULA = r"^[=+\-@\t\r]"
_VALID_COLUMNS = re.compile(r"valid columns: \[(.*?)\]")


def query(run: str | Path, sql: str) -> pl.DataFrame:
    """Answer one SQL statement that reads; the tables are those of `schemas.results.TABLES`, and `labels`.

    `labels` has every unit with what its label is worth (`standing`), beside the columns of `units` and `unit_significance`.

    Parameters
    ----------
    run : path
        The run folder.
    sql : str
        SELECT, WITH, SHOW TABLES, DESCRIBE table or EXPLAIN, as Polars understands them.

    Returns
    -------
    polars.DataFrame
        The answer; its rows have the order of the statement's ORDER BY alone.

    Raises
    ------
    InputError
        If the folder is no run, the statement writes, reads anything but the run's tables or cannot be parsed, or a table or
        column does not exist.
    """
    run = path_of(run)
    _check_run(run)
    _check_statement(sql)
    statement = checked(sql)
    described = _DESCRIBE.fullmatch(statement.strip())
    if described:
        return _describe(described[1], run)
    if _SHOW.match(statement):
        tables = {name: pl.LazyFrame(schema=schema.names) for name, schema in TABLES.items()}
    else:  # no other table is opened: what is opened is checked, which takes reading it
        tables = {name: schemas.scan(run, name) for name in TABLES if name in statement}
    if _LABELS.search(statement):
        from filterscope.pipeline.methods.significance.findings import labels

        tables["labels"] = labels(run).lazy()
    context = pl.SQLContext(tables)
    try:
        return context.execute(statement, eager=True)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise InputError(_explained(str(error), sql, run)) from error


def run_query(
    run: str | Path,
    sql: str,
    format: str = "table",  # noqa: A002
    limit: int | None = None,
    *,
    safe: bool = False,
) -> str:
    """Answer one SQL statement as text.

    Parameters
    ----------
    run, sql
        As for `query`.
    format : {'table', 'markdown', 'csv', 'json'}
        See `as_table`, `as_markdown`, `as_csv` and `as_json`.
    limit : int, optional
        Rows at most, 0 for all; by default `TABLE_ROWS` in a table or Markdown and all otherwise.
    safe : bool
        CSV in which no text is a formula to a spreadsheet; see `as_csv`.

    Returns
    -------
    str
        The text, ending in a line break.

    Raises
    ------
    InputError
        As `query`, and for an unknown format or a negative limit.
    """
    check_format(format, limit)
    return shown(query(run, sql), format, limit, safe=safe)


def shown(
    frame: pl.DataFrame,
    format: str = "table",  # noqa: A002
    limit: int | None = None,
    *,
    safe: bool = False,
) -> str:
    """Return a frame as text in a format, `limit` rows of it at most; see `run_query`."""
    check_format(format, limit)
    if safe and format != "csv":
        raise InputError(f"--safe is about CSV; add --format csv, or drop it with {format}")
    if limit is None:
        limit = TABLE_ROWS if format in ("table", "markdown") else 0
    first = frame.head(limit) if limit else frame
    if format in ("table", "markdown"):
        return (as_table if format == "table" else as_markdown)(first, rows=frame.height)
    return as_csv(first, safe=safe) if format == "csv" else as_json(first)


def check_format(format: str, limit: int | None = None) -> None:  # noqa: A002
    """Refuse a format that is not there, and a number of rows below 0."""
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; formats are {', '.join(FORMATS)}.{did_you_mean(format, FORMATS)}")
    if limit is not None and limit < 0:
        raise InputError(f"limit: received {limit}; expected the number of rows, or 0 for all")


def as_table(frame: pl.DataFrame, rows: int | None = None) -> str:
    """Return a frame as a table that fits the terminal, with the number of rows below; see `jobs.grid.grid`.

    Numbers have three digits, binary values are shown as their number of bytes, and columns that do not fit are named.
    `rows` is the number of rows of which the frame holds the first.
    """
    return fitted(frame) + _counted(frame, rows)


def fitted(frame: pl.DataFrame) -> str:
    """Return a frame as a table that fits the terminal, without the number of its rows."""
    texts = _in_one_line(_sized(frame), json=True)
    return grid(texts.columns, texts.iter_rows())


def as_markdown(frame: pl.DataFrame, rows: int | None = None) -> str:
    """Return a frame as a Markdown table with the number of rows below; no column, text or digit is cut.

    Binary values are shown as their number of bytes. `rows` is the number of rows of which the frame holds the first.
    """
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=65535,
        fmt_str_lengths=1_000_000,
        fmt_table_cell_list_len=-1,
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_cell_numeric_alignment="RIGHT",
    ):
        text = str(_in_one_line(_sized(frame)))
    return plain(f"{text}\n") + _counted(frame, rows)


def _counted(frame: pl.DataFrame, rows: int | None) -> str:
    rows = frame.height if rows is None else rows
    counted = f"{rows:,} row{'' if rows == 1 else 's'}"
    if frame.height < rows:
        counted = f"first {frame.height:,} of {counted}; a limit of 0 shows all"
    return f"({counted})\n"


def _sized(frame: pl.DataFrame) -> pl.DataFrame:
    """Write the number of their bytes for binary values."""
    return frame.with_columns(pl.format("<{} bytes>", pl.selectors.binary().bin.size()).name.keep())


def _in_one_line(frame: pl.DataFrame, *, json: bool = False) -> pl.DataFrame:
    """Write out the characters in texts that would break the lines of a table; nested ones as JSON, which has none.

    With `json`, every nested value is written so.
    """
    escaped = pl.selectors.string().str.replace_many(["\n", "\r", "\t"], ["\\n", "\\r", "\\t"])
    frame = frame.with_columns(escaped).rename(lambda name: name.translate({9: "\\t", 10: "\\n", 13: "\\r"}))
    nested = [name for name, kind in frame.schema.items() if kind.is_nested() and "Binary" not in str(kind)]
    texts = frame.select(_json_text(name) for name in nested)
    return frame.with_columns(texts[name] for name in nested if json or texts[name].str.contains(r"\\[bfnrtu]").any())


def as_csv(frame: pl.DataFrame, *, safe: bool = False) -> str:
    """Return a frame as CSV: lists and structs as JSON text, binary values as base64, null as nothing.

    With `safe`, a text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return, which a spreadsheet takes for a
    formula and runs, gets an apostrophe before it; so do names of columns.
    """
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    frame = _with_base64(frame).with_columns(_json_text(name) for name in nested)
    if safe:
        texts = pl.selectors.string().str.replace(_FORMULA, "'${0}")
        frame = frame.with_columns(texts).rename(lambda name: re.sub(_FORMULA, r"'\g<0>", name))
    return frame.write_csv()


def as_json(frame: pl.DataFrame) -> str:
    """Return a frame as a JSON list, one record a line: binary values as base64, NaN and infinities as null."""
    records = _with_base64(frame).write_ndjson().removesuffix("\n").replace("\n", ",\n")
    return f"[\n{records}\n]\n" if records else "[]\n"


def _with_base64(frame: pl.DataFrame) -> pl.DataFrame:
    deep = [name for name, kind in frame.schema.items() if kind.is_nested() and "Binary" in str(kind)]
    if deep:
        raise InputError(f"column {deep[0]!r} nests binary values, which csv and json cannot hold; unnest it first")
    return frame.with_columns(pl.selectors.binary().bin.encode("base64"))


def _json_text(name: str) -> pl.Expr:
    """Encode a nested column as JSON: the value of the only field of a struct, `{"x":value}`."""
    text = pl.struct(x=pl.col(name)).struct.json_encode().str.slice(len('{"x":')).str.head(-1)
    return pl.when(pl.col(name).is_not_null()).then(text).alias(name)


def _check_run(run: Path) -> None:
    if not run.is_dir():
        raise InputError(f"no run at {run}; `filterscope audit --out {run}` makes one")
    if not (run / "run.toml").is_file() and not (run / "tables").is_dir():
        raise InputError(f"{run} is not a run (it has no run.toml and no tables); give the folder of `audit --out`")


def _check_statement(sql: str) -> None:
    first = _FIRST_WORD.match(sql) if isinstance(sql, str) else None
    word = first[1].lower() if first else ""
    if word not in _READING:
        received = f"a statement that starts with {word.upper()}" if word else f"{sql!r}"
        raise InputError(
            f"received {received}; a query only reads: start it with SELECT, WITH, SHOW TABLES, DESCRIBE or EXPLAIN"
        )


def _describe(name: str, run: Path) -> pl.DataFrame:
    columns = dict.fromkeys(reference.COLUMNS, pl.String)
    if name.lower() == "labels":
        from filterscope.pipeline.methods.significance.trust import MEANINGS

        parts = [pl.DataFrame(reference.columns_of(SCANNED[part]), schema=columns) for part in _LABELLED]
        meaning = "what the label is worth: " + "; ".join(f"{standing}: {says}" for standing, says in MEANINGS.items())
        standing = pl.DataFrame([{"column": "standing", "type": "string", "meaning": meaning}], schema=columns)
        return pl.concat([*parts, standing]).unique("column", keep="first", maintain_order=True)
    if name not in TABLES:
        raise InputError(_no_table(name, run))
    return pl.DataFrame(reference.columns_of(SCANNED[name]), schema=columns)


def _explained(message: str, sql: str, run: Path) -> str:
    table, column = _MISSING_TABLE.search(message), _MISSING_COLUMN.search(message)
    if table:
        return _no_table(table[1] or table[2], run)
    if column:
        return _no_column(column[1] or column[2], message, sql)
    return f"cannot answer {sql!r}: {message.splitlines()[0][:300]}"


def _no_table(name: str, run: Path) -> str:
    return f"no table {name!r} in {run}.{did_you_mean(name, [*TABLES, 'labels'])} Tables are: {', '.join(TABLES)}."


def _no_column(name: str, message: str, sql: str) -> str:
    listed = _VALID_COLUMNS.search(message)
    words = set(re.findall(r"\w+", sql.lower()))
    valid = (
        [part.strip(' "') for part in listed[1].split(",")]
        if listed
        else list(dict.fromkeys(field for table, schema in SCANNED.items() if table in words for field in schema.names))
    )
    quotes = f" Text stands in single quotes: '{name}'." if f'"{name}"' in sql else ""
    known = f" Columns here are: {', '.join(valid)}." if valid else ""
    return f"no column {name!r}.{did_you_mean(name, valid)}{quotes}{known}"


__all__ = [
    "FORMATS",
    "TABLE_ROWS",
    "as_csv",
    "as_json",
    "as_markdown",
    "as_table",
    "check_format",
    "fitted",
    "query",
    "run_query",
    "shown",
]
