"""Result tables on disk: one Parquet file for each piece of work, in Hive folders."""

from collections.abc import Iterable, Sequence
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filterscope.pipeline.stores.places import Place, digest_of, open_writing
from filterscope.pipeline.stores.promises import Promise
from filterscope.schemas.opening import table_path
from filterscope.schemas.results import TABLES


def write_table(
    run: Place, table: str, place: Iterable[str], rows: Iterable[pa.RecordBatch | pa.Table]
) -> tuple[int, str]:
    """Write a key's part of a table, piece by piece, and put it in place at the end.

    Returns
    -------
    (int, str)
        Rows written and the file's SHA-256.
    """
    with open_writing(table_path(run, table, place)) as file:
        count = _write_rows(file, table, rows)
        return count, digest_of(file)


def read_table(
    run: Place, table: str, place: Sequence[str], *, stage: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """Read a key's part of a table, or some of its columns.

    Raises
    ------
    DamagedError
        If the part is missing, or is not what the stage wrote.
    """
    path = table_path(run, table, place)
    with pa.BufferReader(Promise(run, (stage,), tuple(place)).read(table, path)) as file:
        return pq.read_table(file, columns=None if columns is None else list(columns))


def lists(values: np.ndarray) -> pa.Array:
    """Return an array of shape (n, k) as a column of n lists."""
    offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, values.ravel())


def _write_rows(file: IO[bytes], table: str, rows: Iterable[pa.RecordBatch | pa.Table]) -> int:
    count = 0
    with pq.ParquetWriter(file, TABLES[table], compression="zstd") as writer:
        for piece in rows:
            count += piece.num_rows
            writer.write(piece)
    return count


__all__ = ["lists", "read_table", "table_path", "write_table"]
