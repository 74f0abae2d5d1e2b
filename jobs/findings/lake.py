"""The verb `export --to`: the tables of a run as tables of a lake, in Iceberg, Delta or Lance.

A lake holds one table for each table of a run, with two more columns: ``run``, which tells runs apart, and ``digest``, that of
the run's table as it was exported. Rows of a run come in one commit a table, or not at all, so that these columns are the
receipt: what is there with this digest is not written again, whatever was expired or compacted since.
"""

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from filterscope import schemas
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.places import is_local, path_of, read_regular
from filterscope.schemas.opening import files_under
from filterscope.schemas.results import SCANNED, TABLES

#: Formats, and the package that each needs; it is an extra of the same name.
PACKAGES = {"iceberg": "pyiceberg", "delta": "deltalake", "lance": "lance"}
#: Columns that are added.
RUN, DIGEST = "run", "digest"
_NAMESPACE = "filterscope"
#: Lakes have no unsigned numbers.
_SIGNED = {pa.uint8(): pa.int32(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.int64()}


def exported_tables(run: str | Path, to: str, out: Path) -> pl.DataFrame:
    """Add the tables of a run to a lake, each in one commit; what is there already is left as it is.

    Parameters
    ----------
    run : path
        The run folder.
    to : {"iceberg", "delta", "lance"}
        Format of the tables.
    out : Path
        Folder of the lake, which may hold other runs: tables below it, for Iceberg with a catalog in ``catalog.db``.

    Returns
    -------
    polars.DataFrame
        One row per table that the run has written: table, rows, and `done`: added, there already, empty, or replaced where the
        run's table has changed since.

    Raises
    ------
    InputError
        If the format is unknown, its extra is not installed, the lake is not on this machine, or a table cannot be replaced.
    """
    if to not in PACKAGES:
        raise InputError(f"--to {to}: formats are {', '.join(PACKAGES)}.{did_you_mean(to, PACKAGES)}")
    if importlib.util.find_spec(PACKAGES[to]) is None:
        raise InputError(f"--to {to} needs an extra that is not installed: pip install 'filterscope[{to}]'")
    if not is_local(out):
        raise InputError(f"--out {out}: a lake is written to a folder of this machine; copy it to the store from there")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    identity = RunFolder.existing(run).identity
    out.mkdir(parents=True, exist_ok=True)
    lake = _LAKES[to](out)
    rows = [_export(lake, run, name, files, identity) for name in TABLES if (files := _files(run, name))]
    return pl.DataFrame(rows, {"table": pl.String, "rows": pl.Int64, "done": pl.String})


def _files(run: str | Path, name: str) -> list[str]:
    return files_under(run, "tables", name)


def _export(lake: "_Lake", run: str | Path, name: str, files: list[str], identity: str) -> dict[str, Any]:
    digest = _digest(files)
    held = lake.digests(name, identity)
    if held == {digest}:
        return {"table": name, "rows": lake.count(name, identity), "done": "there already"}
    rows = schemas.scan(run, name).collect().to_arrow().cast(SCANNED[name])
    added = [pa.array([value] * rows.num_rows, pa.string()) for value in (identity, digest)]
    keys = pa.schema([pa.field(key, pa.string(), nullable=False) for key in (RUN, DIGEST)])
    schema = pa.schema([*keys, *(pa.field(f.name, _signed(f.type), f.nullable) for f in SCANNED[name])])
    whole = pa.Table.from_arrays([*added, *rows.columns], names=schema.names).cast(schema)
    if not rows.num_rows and not held:  # an empty table has no row to tell that it was exported
        return {"table": name, "rows": 0, "done": "empty"}
    lake.write(name, whole, identity if held else None)
    return {"table": name, "rows": rows.num_rows, "done": "replaced" if held else "added"}


def _digest(files: list[str]) -> str:
    """Return a digest of what files hold, in their order; places do not count, so that a run may move."""
    found = hashlib.sha256()
    for file in files:
        found.update(hashlib.sha256(read_regular(path_of(file))).digest())
    return found.hexdigest()[:32]


def _signed(kind: pa.DataType) -> pa.DataType:
    """Return a type without unsigned numbers, which lakes lack, in whatever it is nested."""
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _signed(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(_signed(kind.value_type))
    return _SIGNED.get(kind, kind)


class _Lake(Protocol):
    """A folder of tables of one format."""

    def digests(self, name: str, run: str) -> set[str]:
        """Return the digests of the rows of a run in a table; none where there is no such table."""

    def count(self, name: str, run: str) -> int:
        """Return how many rows of a run a table holds."""

    def write(self, name: str, rows: pa.Table, replacing: str | None) -> None:
        """Add rows in one commit, in place of those of the run that is named."""


class _Iceberg:
    """Tables of Iceberg in the namespace filterscope of a catalog in SQLite."""

    def __init__(self, out: Path) -> None:
        from pyiceberg.catalog.sql import SqlCatalog

        place = out.absolute()
        self._catalog = SqlCatalog(_NAMESPACE, uri=f"sqlite:///{place / 'catalog.db'}", warehouse=place.as_uri())
        self._catalog.create_namespace_if_not_exists(_NAMESPACE)

    def _rows(self, name: str, run: str) -> pa.Table | None:
        from pyiceberg.expressions import EqualTo

        known = (_NAMESPACE, name)
        if not self._catalog.table_exists(known):
            return None
        return self._catalog.load_table(known).scan(EqualTo(RUN, run), selected_fields=(RUN, DIGEST)).to_arrow()

    def digests(self, name: str, run: str) -> set[str]:
        return set() if (rows := self._rows(name, run)) is None else set(rows[DIGEST].to_pylist())

    def count(self, name: str, run: str) -> int:
        return 0 if (rows := self._rows(name, run)) is None else rows.num_rows

    def write(self, name: str, rows: pa.Table, replacing: str | None) -> None:
        from pyiceberg.expressions import EqualTo

        table = self._catalog.create_table_if_not_exists((_NAMESPACE, name), rows.schema)
        with table.transaction() as commit:
            if replacing is None:
                commit.append(rows)
            else:
                commit.overwrite(rows, EqualTo(RUN, replacing))


class _Delta:
    """Tables of Delta Lake, a folder each."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def _rows(self, name: str, run: str) -> pa.Table | None:
        from deltalake import DeltaTable

        place = str(self._out / name)
        if not DeltaTable.is_deltatable(place):
            return None
        return pa.table(pl.scan_delta(place).filter(pl.col(RUN) == run).select(DIGEST).collect())

    digests, count = _Iceberg.digests, _Iceberg.count

    def write(self, name: str, rows: pa.Table, replacing: str | None) -> None:
        from deltalake import write_deltalake

        place = str(self._out / name)
        if replacing is None:
            write_deltalake(place, rows, mode="append")
        else:  # a digest, so that nothing in it can end the quotes
            write_deltalake(place, rows, mode="overwrite", predicate=f"{RUN} = '{replacing}'")


class _Lance:
    """Data sets of Lance, a folder each."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def _rows(self, name: str, run: str) -> pa.Table | None:
        import lance

        place = self._out / f"{name}.lance"
        if not place.exists():
            return None
        return lance.dataset(str(place)).to_table(columns=[DIGEST], filter=f"{RUN} = '{run}'")

    digests, count = _Iceberg.digests, _Iceberg.count

    def write(self, name: str, rows: pa.Table, replacing: str | None) -> None:
        import lance

        place = self._out / f"{name}.lance"
        if replacing is not None:
            raise InputError(
                f"{place} holds other rows of this run, which has changed since; Lance cannot replace them in one commit: "
                "give another --out"
            )
        lance.write_dataset(rows, str(place), mode="append" if place.exists() else "create")


_LAKES: dict[str, Callable[[Path], _Lake]] = {"iceberg": _Iceberg, "delta": _Delta, "lance": _Lance}

__all__ = ["DIGEST", "PACKAGES", "RUN", "exported_tables"]
