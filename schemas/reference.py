"""Reference of all tables, read from the metadata of their schemas."""

import pyarrow as pa

from filterscope.schemas import dataset, results

_INTRODUCTION = """\
# Tables

Written by `python -m schemas`; the schemas in `schemas/` are its only source.
Every table is Parquet. A column whose null is empty is never null."""

_PARTS = (
    ("Run", "Under `RUN/tables/TABLE/`, for `filterscope query` and `schemas.scan`.", results.SCANNED),
    ("Data set", "One file a table, `DATA/TABLE.parquet`.", dataset.TABLES),
)

#: Arrow prints the two by other names than its constructors have.
_NAMES = {"float": "float32", "double": "float64"}

COLUMNS = ("column", "type", "unit", "meaning", "null")


def columns_of(schema: pa.Schema) -> list[dict[str, str]]:
    """Describe the columns of a table.

    Parameters
    ----------
    schema : pyarrow.Schema
        A schema made of `schemas.columns.column`.

    Returns
    -------
    list of dict
        One mapping a column with the keys `COLUMNS`; unit and null are empty where the schema states none.
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
    blocks = [_INTRODUCTION]
    for title, place, tables in _PARTS:
        blocks.append(f"## {title}\n\n{place}")
        blocks += [f"### {name}\n\n{_grid(schema)}" for name, schema in tables.items()]
    return "\n\n".join(blocks) + "\n"


def _grid(schema: pa.Schema) -> str:
    rows = [[row[key].replace("|", "\\|") for key in COLUMNS] for row in columns_of(schema)]
    for row in rows:
        row[0], row[1] = f"`{row[0]}`", f"`{row[1]}`"
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


__all__ = ["COLUMNS", "columns_of", "markdown"]
