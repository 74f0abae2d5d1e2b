"""A part of a table is one file, whole or not there."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filterscope.pipeline.stores.places import listing, readable
from filterscope.pipeline.stores.tables import table_path, write_table
from filterscope.schemas.results import TABLES

SCHEMA = TABLES["thresholds"]


def rows(*units: int) -> pa.Table:
    values = {name: [0] * len(units) for name in SCHEMA.names}
    values |= {"model": ["net"] * len(units), "layer": ["layer"] * len(units), "unit": list(units)}
    return pa.table(values).cast(SCHEMA)


def test_pieces_become_one_file(place):
    pieces = [rows(4, 5), SCHEMA.empty_table(), rows(6, 7, 8)]
    count, digest = write_table(place, "thresholds", ("net", "layer", "units-0"), pieces)
    path = table_path(place, "thresholds", ("net", "layer", "units-0"))
    assert path == place / "tables" / "thresholds" / "model=net" / "layer=layer" / "units-0.parquet"
    assert count == 5
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    found = pq.read_table(readable(path), partitioning=None)
    assert found.schema.equals(SCHEMA, check_metadata=True)
    assert found["unit"].to_pylist() == [4, 5, 6, 7, 8]


def test_a_table_whose_rows_cannot_be_made_is_not_there(place):
    def pieces():
        yield rows(4, 5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_table(place, "thresholds", ("net", "layer", "units-0"), pieces())
    assert listing(table_path(place, "thresholds", ("net", "layer", "units-0")).parent) == set()
