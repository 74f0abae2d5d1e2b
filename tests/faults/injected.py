"""Faults that workers install in themselves when they start; the environment says which, files count how often.

FAULT names what fails: shard, table or marker kill the worker in the middle of writing one, memory runs out there, full
is a disk without space; each happens once for every file `FAULT_PLACE/armed-*` and takes the file away. The shard of the
images BLOCK kills its worker every time with always, and is never written with stuck. FAULT_DELAY is how many seconds
every shard and every marker takes.
"""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Number of the block of images that always and stuck are about.
BLOCK = 2


def install() -> None:
    """Install the fault that the environment names."""
    import pyarrow.parquet as pq

    import pipeline.ledger
    import pipeline.shards
    import pipeline.stores

    fault = os.environ.get("FAULT", "")
    shard, marker, table = pipeline.shards.write_atomically, pipeline.ledger.write_atomically, pq.ParquetWriter.write
    failing = {
        "shard": lambda: _failing(shard, _half),
        "memory": lambda: _failing(shard, _no_memory),
        "full": lambda: _full(shard),
        "always": lambda: _at_block(shard, lambda: os._exit(1)),
        "stuck": lambda: _at_block(shard, lambda: time.sleep(3600)),
    }
    pipeline.shards.write_atomically = _slow(failing.get(fault, lambda: shard)())
    pipeline.ledger.write_atomically = _slow(_failing(marker, _half) if fault == "marker" else marker)
    if fault == "table":
        pq.ParquetWriter.write = _failing(table, _dies)
    if fault == "full":
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


def _no_memory(write: Callable[..., Any], *args: Any, **options: Any) -> None:
    raise MemoryError("Unable to allocate 9.99 TiB")


def _at_block(write: Callable[..., Any], fail: Callable[[], None]) -> Callable[..., Any]:
    def failing(path: Path, data: bytes) -> Any:
        if path.parts[-4] == str(BLOCK):
            fail()
        return write(path, data)

    return failing


def _full(write: Callable[..., Any]) -> Callable[..., Any]:
    def full(*args: Any, **options: Any) -> Any:
        place = Path(os.environ["FAULT_PLACE"])
        if (place / "full").exists() and len(list(place.glob("written-*"))) >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        (place / f"written-{time.time_ns()}").touch()
        return write(*args, **options)

    return full
