"""Reference of all tables, read from the metadata of their schemas."""

from collections.abc import Mapping

import pyarrow as pa

from filterscope.schemas import dataset, results
from filterscope.schemas.columns import tables_in

_INTRODUCTION = """\
# Tables

Written by `python -m filterscope.schemas` from the files in `schemas/`, its only source.
Every table is stored as Parquet. A column with an empty `null` is never null."""

_RUN = """\
## Tables of a run

Stored under `RUN/tables/TABLE/`; read with `filterscope query` or `schemas.scan_TABLE(run)`."""

_DATASET = """\
## Tables of a data set

One file per table, `DATA/TABLE.parquet`. `ignored` is there only where an annotation says of pixels that it does not know
what they are.

### Data set

What an import writes. Declared in `schemas/dataset.py`."""

#: Arrow prints these types under other names than those of their constructors.
_NAMES = {"float": "float32", "double": "float64"}

COLUMNS = ("column", "type", "unit", "meaning", "null")


def columns_of(schema: pa.Schema) -> list[dict[str, str]]:
    """Describe the columns of a table.

    Parameters
    ----------
    schema : pyarrow.Schema
        A schema of columns made by `schemas.columns.column`.

    Returns
    -------
    list of dict
        One mapping per column, with the keys `COLUMNS`; unit and null are empty where the field states none.
    """
    return [_described(field) for field in schema]


def _described(field: pa.Field) -> dict[str, str]:
    notes = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
    return {"column": field.name, "type": _type(field.type), **{key: notes.get(key, "") for key in COLUMNS[2:]}}


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        size = f", {kind.list_size}" if pa.types.is_fixed_size_list(kind) else ""
        return f"list<{_type(kind.value_type)}{size}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_type(field.type)}' for field in kind)}>"
    return _NAMES.get(str(kind), str(kind))


def markdown() -> str:
    """Return the page `docs/tables.md`: every table and column, its type, unit, meaning and null."""
    blocks = [_INTRODUCTION, _RUN]
    for module in results.MODULES:
        name = module.__name__.rpartition(".")[2]
        about = (module.__doc__ or "").partition("\n")[0]
        blocks.append(f"### {name.replace('_', ' ').capitalize()}\n\n{about} Declared in `schemas/{name}.py`.")
        blocks += _sections({table: results.SCANNED[table] for table in tables_in(vars(module))})
    return "\n\n".join([*blocks, _DATASET, *_sections({**dataset.TABLES, **dataset.OPTIONAL})]) + "\n"


def _sections(tables: Mapping[str, pa.Schema]) -> list[str]:
    return [f"#### {name}\n\n{_grid(schema)}" for name, schema in tables.items()]


def _grid(schema: pa.Schema) -> str:
    rows = [[row[key].replace("|", "\\|") for key in COLUMNS] for row in columns_of(schema)]
    for row in rows:
        row[0], row[1] = f"`{row[0]}`", f"`{row[1]}`"
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


__all__ = ["COLUMNS", "columns_of", "markdown"]
