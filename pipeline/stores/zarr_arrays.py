"""Zarr arrays in a file system or an object store."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from filterscope.pipeline.stores.objects import object_store
from filterscope.pipeline.stores.places import ObjectPath, Place, written
from filterscope.pipeline.stores.promises import DamagedError

# zarrs is the Rust codec pipeline; one thread, because parallelism is Ray's.
_ZARRS = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": 1}


def exists(place: Place) -> bool:
    """Tell whether there is an array."""
    return (place / "zarr.json").exists()


def create_array(place: Place, **options: Any) -> None:
    """Create an array as `zarr.create_array` does, in the place of any other."""
    import zarr

    zarr.create_array(_store(place), overwrite=True, **options)
    written(place / "zarr.json", *place.parents[:3])


def open_array(place: Place, mode: str = "r") -> Any:
    """Open an array, a `zarr.Array`; DamagedError if what is there is no array."""
    import zarr

    try:
        return zarr.open_array(_store(place), mode=mode)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        why = f"{place / 'zarr.json'} is damaged: {error}; `filterscope doctor RUN --repair` computes the array again"
        raise DamagedError(why) from error


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


__all__ = ["create_array", "exists", "open_array", "quick"]
