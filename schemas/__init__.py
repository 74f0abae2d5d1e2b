"""Arrow schemas of every table, and `scan_*` functions that return Polars LazyFrames of a run.

There is one `scan_` function for each table of `results.TABLES`:

>>> from filterscope import schemas
>>> schemas.scan_units("runs/first").filter(pl.col("detector")).collect()  # doctest: +SKIP
"""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path, PurePath

import polars as pl

from filterscope.schemas import dataset, marked, opening, results


def scan(run: str | PurePath, name: str) -> pl.LazyFrame:
    """Open one table of a run lazily.

    Parameters
    ----------
    run : path
        The run folder, on this machine or in an object store (``s3://BUCKET/KEY``).
    name : str
        A table of `schemas.results.TABLES`.

    Returns
    -------
    polars.LazyFrame
        All rows of the table, in file order; empty with the right columns if the run has not written it. A column that
        was added after the run was made is null.

    Raises
    ------
    KeyError
        If there is no such table.
    DamagedError
        If a part of it is missing or is not the one that was written.
    """
    frame = _stored(run, name)
    for other in results.JOINED.get(name, ()):
        frame = other.join(frame, _stored(run, other.source))
    return frame


def scan_layer(run: str | PurePath, name: str, model: str, layer: str) -> pl.LazyFrame:
    """Open the rows of a table that belong to one layer, as they are stored, without looking at other layers' files.

    Parameters
    ----------
    run : path
        The run folder, as in `scan`.
    name : str
        A table of `schemas.results.TABLES`.
    model, layer : str
        The model's name in the run, and the layer's.

    Returns
    -------
    polars.LazyFrame
        The rows, in file order; empty with the right columns if the run has not written them.

    Raises
    ------
    KeyError
        If there is no such table.
    DamagedError
        If a part of it is missing or is not the one that was written.
    """
    return _stored(run, name, model, layer)


def _stored(run: str | PurePath, name: str, *place: str) -> pl.LazyFrame:
    if name not in results.TABLES:
        raise KeyError(f"no table {name!r}; tables are: {', '.join(results.TABLES)}")
    files = opening.files_under(opening.table_path(PurePath(run), name, (*place, "")).parent)
    if not opening.is_store(run):
        marked.check_parts(Path(run), name, place, files)
    empty = pl.DataFrame(results.TABLES[name].empty_table())
    if not files:
        return empty.lazy()
    # a column that a file of an earlier version lacks is null there, also beside files that have it
    return opening.scan_files(files, hive_partitioning=False, schema=empty.schema, missing_columns="insert")


def __getattr__(name: str) -> Callable[..., pl.LazyFrame]:
    """Return `scan_TABLE`: `scan` of that table."""
    table = name.removeprefix("scan_")
    if table == name:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if table not in results.TABLES:
        near = get_close_matches(table, results.TABLES, n=1)
        hint = f"did you mean scan_{near[0]}?" if near else f"tables are: {', '.join(results.TABLES)}"
        raise AttributeError(f"no table {table!r}; {hint}")
    return partial(scan, name=table)


def __dir__() -> list[str]:
    """Return every name of the module, the `scan_` functions included."""
    return sorted({*globals(), *__all__})


__all__ = ["dataset", "results", "scan", "scan_layer", *(f"scan_{name}" for name in results.TABLES)]
