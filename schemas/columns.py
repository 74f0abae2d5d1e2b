"""How a column of a table is declared: its Arrow type, its meaning, its unit and what null stands for."""

import pyarrow as pa


def column(name: str, kind: pa.DataType, meaning: str, *, unit: str = "", null: str = "") -> pa.Field:
    """Declare one column.

    Parameters
    ----------
    name : str
        Column name, written in full.
    kind : pyarrow.DataType
        Arrow type.
    meaning : str
        What a value says, in one line.
    unit : str
        Physical or counting unit, where the meaning does not already say it.
    null : str
        What null means. A column without it is never null.

    Returns
    -------
    pyarrow.Field
        The field with ``meaning``, ``unit`` and ``null`` in its metadata.
    """
    notes = {"meaning": meaning, "unit": unit, "null": null}
    return pa.field(name, kind, nullable=bool(null), metadata={key: text for key, text in notes.items() if text})


def table(*columns: pa.Field) -> pa.Schema:
    """Return the schema of a table made of `columns`, and refuse duplicate names."""
    names = [field.name for field in columns]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"columns declared twice: {sorted(repeated)}")
    return pa.schema(columns)
