"""Faults that workers install in themselves when they start; the environment says which, files count how often.

FAULT names what fails, separated by commas: shard, table or marker kill the worker in the middle of writing one, memory runs
out in the writing of a shard; each happens once for every file `FAULT_PLACE/armed-NAME-*` and takes the file away. With full
the disk has no space left. The shard of the images BLOCK kills its worker every time with always, and is never written with
stuck. FAULT_DELAY is how many seconds every shard and every marker takes. With nodes, each node that finishes a unit leaves a
file `FAULT_PLACE/node-*`; with tries, each try of a last step adds a byte to a file of its key under `FAULT_PLACE/tries`.
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

    from filterscope.pipeline.engine import attempts, ledger
    from filterscope.pipeline.stores import shards

    faults = os.environ.get("FAULT", "").split(",")
    shard, marker, table = shards.write_atomically, ledger.write_atomically, pq.ParquetWriter.write
    if "shard" in faults:
        shard = _failing("shard", shard, _half)
    if "memory" in faults:
        shard = _failing("memory", shard, _no_memory)
    if "always" in faults:
        shard = _at_block(shard, lambda: os._exit(1))
    if "stuck" in faults:
        shard = _at_block(shard, lambda: time.sleep(3600))
    if "marker" in faults:
        marker = _failing("marker", marker, _half)
    if "table" in faults:
        table = _failing("table", table, _dies)
    if "full" in faults:
        shard, table = _full(shard), _full(table)
    if "nodes" in faults:
        marker = _noted(marker)
    if "tries" in faults:
        attempts.Attempts.begin = _counted(attempts.Attempts.begin)
    shards.write_atomically, ledger.write_atomically = _slow(shard), _slow(marker)
    pq.ParquetWriter.write = table


def _failing(name: str, write: Callable[..., Any], fail: Callable[..., None]) -> Callable[..., Any]:
    def failing(*args: Any, **options: Any) -> Any:
        if _armed(name):
            fail(write, *args, **options)
        return write(*args, **options)

    return failing


def _slow(write: Callable[..., Any]) -> Callable[..., Any]:
    def slow(*args: Any) -> Any:
        time.sleep(float(os.environ.get("FAULT_DELAY", "0")))
        return write(*args)

    return slow


def _noted(write: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*args: Any) -> Any:
        import ray

        (Path(os.environ["FAULT_PLACE"]) / f"node-{ray.get_runtime_context().get_node_id()}").touch()
        return write(*args)

    return noted


def _counted(begin: Callable[..., int]) -> Callable[..., int]:
    def counted(self: Any, work: Any, step: int) -> int:
        if work.keys[0].stage != "extract" or step:
            path = Path(os.environ["FAULT_PLACE"], "tries", work.keys[0].text.replace("/", " "))
            path.parent.mkdir(exist_ok=True)
            with path.open("ab") as file:
                file.write(b".")
        return begin(self, work, step)

    return counted


def _armed(name: str) -> bool:
    for path in sorted(Path(os.environ["FAULT_PLACE"]).glob(f"armed-{name}-*")):
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
