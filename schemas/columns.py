"""How columns and tables are declared, and the columns that many tables share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl
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
    """Return the schema of a table made of `columns`; a constant it is assigned to names the table.

    Raises
    ------
    ValueError
        If two columns have the same name.
    """
    names = [field.name for field in columns]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"columns declared twice: {sorted(repeated)}")
    return pa.schema(columns)


def tables_in(names: Mapping[str, object]) -> dict[str, pa.Schema]:
    """Return the tables among the names of a module, in order of definition: `UNIT_CONCEPT` is the table unit_concept."""
    return {name.lower(): value for name, value in names.items() if name.isupper() and isinstance(value, pa.Schema)}


@dataclass(frozen=True)
class Joined:
    """Columns that `schemas.scan` adds to one table from another, which another stage writes.

    Attributes
    ----------
    to : str
        Name of the table that gains columns.
    source : str
        Name of the table they come from.
    columns : pyarrow.Schema
        The columns added, in order.
    join : callable
        Takes the two tables, `to` first, and returns `to` with the columns and the same rows in the same order.
    """

    to: str
    source: str
    columns: pa.Schema
    join: Callable[[pl.LazyFrame, pl.LazyFrame], pl.LazyFrame]


# What most tables begin with.
MODEL = column("model", pa.string(), "name of the model in this run")
LAYER = column("layer", pa.string(), "qualified name of the tapped module, name#k for its k-th call")
UNIT = column("unit", pa.int32(), "channel of the layer, 0-based")
CONCEPT = column("concept", pa.string(), "name of the concept")
CATEGORY = column("category", pa.string(), "primary category of the concept")
IMAGE = column("image", pa.int32(), "number of the image in the data set")
VIEW = column("view", pa.int32(), "number of the view, as in the table views; the image's own where views are images")

# The same columns where a unit is called a filter: what a column says of itself is stored in every file, and stays.
FILTER_LAYER = column("layer", pa.string(), "qualified name of the tapped module")
FILTER = column("unit", pa.int32(), "channel of the layer, 0-based: the filter")

#: Unit of positions and sizes in what the network is given.
PIXEL = "input pixel"

# What null means in more than one file.
WHOLE = "the view is the whole image"
NO_FIELD = "no field of constant size and stride; see no_field"
NONE = "no eligible concept meets the unit anywhere"
FEW = "fewer images than the protocol asks for"
