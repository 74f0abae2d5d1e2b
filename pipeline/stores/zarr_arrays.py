"""Zarr arrays in a file system or an object store."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from filterscope.pipeline.stores.objects import object_store
from filterscope.pipeline.stores.places import ObjectPath, Place, remove, remove_tree, write_atomically

# zarrs is the Rust codec pipeline; one thread, because parallelism is Ray's.
_ZARRS = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": 1}


#: Descriptions of arrays that `checking` found wrong; None while arrays are made.
_WRONG: ContextVar[list[Place] | None] = ContextVar("wrong", default=None)


@contextmanager
def checking() -> Iterator[list[Place]]:
    """Let `create_array` name what it would write, and write nothing."""
    wrong: list[Place] = []
    token = _WRONG.set(wrong)
    try:
        yield wrong
    finally:
        _WRONG.reset(token)


def create_array(place: Place, **options: Any) -> None:
    """Describe an array as `zarr.create_array` does, unless it is so described already.

    Numbers of an array that was described otherwise are removed; those whose description was damaged stay.
    """
    import zarr
    from zarr.storage import MemoryStore

    made: dict[str, Any] = {}
    zarr.create_array(MemoryStore(made), **options)
    wanted, path = made["zarr.json"].to_bytes(), place / "zarr.json"
    there = _essence(path.read_bytes() if path.is_file() else b"")
    if there == _essence(wanted):
        return
    wrong = _WRONG.get()
    if wrong is not None:
        wrong.append(path)
        return
    if there is not None:  # of other blocks, as before a --redo
        remove_tree(place / "c")
    remove(path)
    write_atomically(path, wanted)


def _essence(description: bytes) -> Any:
    """Return what of an array's description its readers depend on; None if it is none."""
    import zarr
    from zarr.core.buffer.cpu import Buffer
    from zarr.storage import MemoryStore

    try:
        zarr.open_array(MemoryStore({"zarr.json": Buffer.from_bytes(description)}), mode="r")
        stated = json.loads(description)
        codecs = [(codec["name"], _plain(codec.get("configuration"))) for codec in stated["codecs"]]
        return [stated[name] for name in _STATED], codecs
    except Exception:  # zarr raises anything
        return None


#: What a description states beside codecs.
_STATED = (
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "attributes",
)


def _plain(configuration: Any) -> Any:
    """Return the settings of a codec but for those of inner chunks, which say themselves how they are compressed."""
    return {name: value for name, value in (configuration or {}).items() if name in ("endian", "chunk_shape")}


def open_array(place: Place, mode: str = "r") -> Any:
    """Open an array, a `zarr.Array`."""
    import zarr

    return zarr.open_array(_store(place), mode=mode)


def _store(place: Place) -> Any:
    """Return what Zarr opens an array at."""
    if not isinstance(place, ObjectPath):
        return str(place)
    from zarr.storage import ObjectStore

    return ObjectStore(object_store(place.parts[1], "/".join(place.parts[2:])))


@contextmanager
def quick(place: Place) -> Iterator[None]:
    """Read and write arrays of a place by the fastest codecs."""
    import zarr

    # zarrs would connect to an object store anew for every array
    with zarr.config.set({} if isinstance(place, ObjectPath) else _ZARRS):
        yield


__all__ = ["checking", "create_array", "open_array", "quick"]
