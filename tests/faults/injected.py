"""Faults that workers install in themselves when they start; the environment says which, files count how often.

FAULT names what fails: shard, table or marker kill the worker in the middle of writing one, full is a disk without
space. A fault happens once for every file `FAULT_PLACE/armed-*`; it takes the file away.
"""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def install() -> None:
    """Install the fault that the environment names."""
    import pyarrow.parquet as pq

    import pipeline.ledger
    import pipeline.shards
    import pipeline.stores

    fault = os.environ.get("FAULT", "")
    shard, marker, table = pipeline.shards.write_atomically, pipeline.ledger.write_atomically, pq.ParquetWriter.write
    pipeline.shards.write_atomically = _slow(_failing(shard, _half) if fault == "shard" else shard)
    if fault == "marker":
        pipeline.ledger.write_atomically = _failing(marker, _half)
    if fault == "table":
        pq.ParquetWriter.write = _failing(table, _dies)
    if fault == "full":
        pipeline.shards.write_atomically = _full(shard)
        pq.ParquetWriter.write = _full(table)


def _failing(write: Callable[..., Any], fail: Callable[..., None]) -> Callable[..., Any]:
    def failing(*args: Any, **options: Any) -> Any:
        if _armed():
            fail(write, *args, **options)
        return write(*args, **options)

    return failing


def _slow(write: Callable[..., Any]) -> Callable[..., Any]:
    def slow(*args: Any) -> Any:
        time.sleep(float(os.environ.get("FAULT_DELAY", "0")))
        return write(*args)

    return slow


def _armed() -> bool:
    for path in sorted(Path(os.environ["FAULT_PLACE"]).glob("armed-*")):
        try:
            path.unlink()
        except FileNotFoundError:
            continue  # another worker was faster
        return True
    return False


def _half(write: Callable[..., Any], path: Path, data: bytes) -> None:
    """Leave half a file where a whole one belongs, as a torn disk would, and die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data[: len(data) // 2])
    os._exit(1)


def _dies(write: Callable[..., Any], *args: Any, **options: Any) -> None:
    write(*args, **options)
    os._exit(1)


def _full(write: Callable[..., Any]) -> Callable[..., Any]:
    def full(*args: Any, **options: Any) -> Any:
        place = Path(os.environ["FAULT_PLACE"])
        if (place / "full").exists() and len(list(place.glob("written-*"))) >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        (place / f"written-{time.time_ns()}").touch()
        return write(*args, **options)

    return full
