"""A data set whose images lie in shards: the same images, tables and identity, in files that are few and large."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from filterscope.pipeline.datasets.checks import check_dataset
from filterscope.pipeline.datasets.layout import MANIFEST, Dataset
from filterscope.pipeline.datasets.reading import Progress
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.stores.packs import BEGUN, FOLDER, INDEX, SHARD_BYTES, expect, write_pack
from filterscope.pipeline.stores.places import Place, StoreError, listing, path_of, remove_tree, write_atomically

#: Images that are read together.
_TOGETHER = 64


def packed_beside(data: Place) -> Place:
    """Return where a pack lies by default: beside its data set."""
    return data.with_name(f"{data.name}-packed")


def pack(
    data: str | Path, folder: str | Path | None = None, shard_bytes: int = SHARD_BYTES, progress: Progress | None = None
) -> Dataset:
    """Write a data set again with its images in shards; here or in an object store, from here or from one.

    The manifest is written last: a folder without one is no data set, and the same call begins it anew.

    Parameters
    ----------
    data : path
        The data set; every image must be the one that was imported.
    folder : path, optional
        Where the new one will be; by default `packed_beside` it.
    shard_bytes : int
        Bytes after which the next shard begins.
    progress : callable, optional
        Called with the number of images done and of all.

    Raises
    ------
    InputError
        If an image is not the one that was imported, or there is something else at the folder.
    """
    source = Dataset.open(data, need=None)
    check_dataset(source)
    target = packed_beside(source.folder) if folder is None else path_of(folder).absolute()
    _refuse_taken(target, source.folder)
    remove_tree(target / FOLDER)
    stated = write_pack(target, _members(source, progress), shard_bytes)
    for path in sorted(source.folder.glob("*.parquet")):
        write_atomically(target / path.name, path.read_bytes())
    write_atomically(target / MANIFEST, (json.dumps({**source.manifest, "pack": stated}, indent=2) + "\n").encode())
    return Dataset.open(target, need=None)


def _refuse_taken(target: Place, source: Place) -> None:
    found = listing(target)
    tables = {path.name for path in source.glob("*.parquet")}
    begun = PurePosixPath(BEGUN).name in listing(target / FOLDER)
    others = sorted(found - tables - ({FOLDER} if begun else set()))
    if target == source or others:
        what = "is the data set itself" if target == source else f"holds {', '.join(others[:3])} already"
        raise InputError(f"{target} {what}; a pack is a data set of its own: choose another folder or remove that one")


def _members(source: Dataset, progress: Progress | None) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each image, in order, with the digest that was recorded."""
    images = source.images.select(["uri", "sha256"]).to_pylist()
    taken: set[str] = set()
    for first in range(0, len(images), _TOGETHER):
        rows = images[first : first + _TOGETHER]
        files = source.files(range(first, first + len(rows)))
        expect(files)
        for number, (row, file) in enumerate(zip(rows, files, strict=True), first):
            yield _name(number, row["uri"], taken), _sound(file, row["sha256"])
        if progress is not None:
            progress(first + len(rows), len(images))


def _name(number: int, uri: str, taken: set[str]) -> str:
    """Return an image's name in its shard, which no other has; one that lies outside the data set is named by its number."""
    path = PurePosixPath(uri)
    name = f"images/{number:08d}{path.suffix}" if path.is_absolute() or ".." in path.parts else uri
    while name in taken:
        name = f"again/{name}"
    taken.add(name)
    return name


def _sound(file: Path, digest: str) -> bytes:
    try:
        data = file.read_bytes()
    except StoreError:
        raise
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error}); put it back, or import the images again") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise InputError(
            f"{file} is not the image that was imported (its SHA-256 differs); put it back, or import again"
        )
    return data


__all__ = ["INDEX", "pack", "packed_beside"]
