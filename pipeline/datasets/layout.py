"""The one data-set layout: Parquet tables and image files in a folder.

A reader writes it through `DatasetWriter`; an audit reads it through `Dataset`. The folder appears whole or not at all.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filterscope.pipeline.datasets.writer import (
    ALL_TABLES,
    MANIFEST,
    ROWS_PER_GROUP,
    DatasetWriter,
    absorb,
    encode_mask,
)
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.stores.packs import INDEX, Pack, PackError, as_place
from filterscope.pipeline.stores.places import digest_of, is_local, path_of, readable, signature
from filterscope.schemas.dataset import TABLES

#: What an audit may need of a data set beside its images.
Need = Literal["concepts", "landmarks"]

#: Split of images that hold no object of any category.
NEGATIVE = "negative"


def decode_mask(counts: bytes, height: int, width: int) -> np.ndarray:
    """Decode COCO compressed run lengths into a mask (bool, shape (height, width)); ValueError if they are of another size."""
    from filterscope.operators.images.run_lengths import draw_runs

    return draw_runs(counts, height, width)


@dataclass(frozen=True)
class Dataset:
    """An imported data set, opened for reading; pickles as its folder.

    Parameters
    ----------
    folder : Path
        The data-set folder.
    """

    folder: Path

    @classmethod
    def open(cls, folder: str | Path, *, need: Need | None = "concepts") -> Self:
        """Open a data set and check that an audit can use it.

        Parameters
        ----------
        folder : path
            The data-set folder.
        need : "concepts" or "landmarks", optional
            What it must hold beside images: dissection reads concepts, location reads landmarks.

        Raises
        ------
        InputError
            If the folder is not a data set, holds no image, or lacks what is needed.
        """
        folder = path_of(folder).absolute()
        if not (folder / MANIFEST).is_file():
            how = "make one with `filterscope import` or `filterscope sample`"
            raise InputError(f"no data set at {folder} (it has no {MANIFEST}); {how}")
        dataset = cls(folder)
        if dataset.rows("images") == 0:
            raise InputError(f"the data set {folder} has no images; look at its rejects.parquet for the reasons")
        if need == "concepts" and (dataset.concepts.num_rows == 0 or dataset.rows("segments") == 0):
            raise InputError(
                f"the data set {folder} has no concepts: nothing in it labels a pixel or an image{_other(dataset)}"
            )
        if need == "landmarks" and dataset.rows("landmarks") == 0:
            raise InputError(
                f"the data set {folder} has no landmarks; import one that has, such as CUB or a landmarks.csv"
            )
        return dataset

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest: format, identity, source."""
        path = self.folder / MANIFEST
        try:
            manifest = json.loads(path.read_text())
            return {**manifest, "identity": str(manifest["identity"])}
        except (OSError, ValueError, RecursionError, LookupError, TypeError) as error:
            raise InputError(
                f"{path} is damaged ({type(error).__name__}: {error}); import the data set again"
            ) from error

    @property
    def identity(self) -> str:
        """SHA-256 over the rows of the tables, which hold the digests of the images, apart from paths."""
        return str(self.manifest["identity"])

    @property
    def content(self) -> str:
        """The identity computed again from the tables; another one than the manifest states if they were edited."""
        return _joined(self._rows_digest(name) for name in self._names)

    @property
    def changed(self) -> list[Path]:
        """The files of the tables that are not what was imported; of a data set of before 0.2 all, if any is not.

        Files that are byte for byte what was written are not looked into; others are if they have the same rows.
        """
        noted = self._noted
        if not noted:
            return [] if self.content == self.identity else [self._file(name) for name in self._names]
        return [
            self._file(name)
            for name, (rows, file) in noted.items()
            if self._file_digest(name) != file and self._rows_digest(name) != rows
        ]

    @property
    def _noted(self) -> dict[str, tuple[str, str]]:
        """SHA-256 of the rows and of the file of each table, as the manifest states them; none where it does not."""
        try:
            found = {
                str(name): (str(of["rows"]), str(of["file"])) for name, of in dict(self.manifest["tables"]).items()
            }
            whole = _joined(found[name][0] for name in self._names)
        except (LookupError, TypeError, ValueError):
            return {}
        return found if whole == self.identity and set(found) == set(self._names) else {}

    @property
    def _names(self) -> list[str]:
        return list(filter(self._has, ALL_TABLES))

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def _file_digest(self, name: str) -> str:
        with self._opened(name) as path:
            return _digest_of(path, *signature(path))

    def _rows_digest(self, name: str) -> str:
        rows = hashlib.sha256()
        for batch in self.table(name).to_batches(max_chunksize=ROWS_PER_GROUP):
            absorb(rows, name, batch)
        return rows.hexdigest()

    @cached_property
    def images(self) -> pa.Table:
        """Table of images, in order of their numbers."""
        return self.table("images")

    @property
    def grouped(self) -> bool:
        """Whether some images belong together."""
        return bool(self.images["group"].null_count < self.images.num_rows)

    @cached_property
    def groups(self) -> np.ndarray:
        """Number of the first image of each image's group, int64 of shape (images,); its own where it has none."""
        if not self.grouped:
            return np.arange(self.images.num_rows)
        names = self.images["group"].to_pylist()
        first: dict[str, int] = {}
        return np.array(
            [image if name is None else first.setdefault(name, image) for image, name in enumerate(names)], np.int64
        )

    @cached_property
    def concepts(self) -> pa.Table:
        """Table of concepts, in order of their numbers."""
        return self.table("concepts")

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a table of `schemas.dataset.TABLES`, or some of its columns; InputError if its file is damaged."""
        schema, asked = ALL_TABLES[name], None if columns is None else list(columns)
        if not self._has(name):
            empty = schema.empty_table()
            return empty if asked is None else empty.select(asked)
        with self._opened(name) as path:
            return pq.read_table(readable(path), schema=schema, columns=asked)

    def _has(self, name: str) -> bool:
        # the manifest counts their rows, so that a file that got lost is missed
        return name in TABLES or name in self.manifest

    @contextmanager
    def _opened(self, name: str) -> Iterator[Path]:
        path = self._file(name)
        try:
            yield path
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} is missing or damaged: {error}; import the data set again") from error

    def path(self, uri: str) -> Path:
        """Return where an image file lies: in the data set or, where it was imported in place, anywhere."""
        if ".." in Path(uri).parts:
            raise InputError(f"the data set {self.folder} names the image {uri!r}, which leaves it; import it again")
        if not is_local(self.folder) and uri.startswith("/"):
            raise InputError(
                f"the data set {self.folder} was imported in place: its images lie on a machine, such as {uri!r}; import "
                "it without --in-place and copy it again"
            )
        return self.folder / uri

    @cached_property
    def pack(self) -> Pack | None:
        """Where images lie in shards; None where each is a file. InputError if the index is missing or damaged."""
        stated = self.manifest.get("pack")
        if stated is None:
            return None
        if not isinstance(stated, dict) or stated.get("format") != 1:
            raise InputError(
                f"{self.folder / MANIFEST} states a pack of a form that this version does not know ({stated!r}); pack the data "
                "set again, or use the version that packed it"
            )
        try:
            found = Pack(self.folder, stated)
        except PackError as error:
            raise InputError(f"{error}; pack the data set again, or copy it again from where it is whole") from error
        if len(found) != self.rows("images"):
            raise InputError(
                f"{self.folder / INDEX} is of {len(found)} images and the data set has {self.rows('images')}; pack it again"
            )
        return found

    def files(self, images: Sequence[int] | np.ndarray) -> list[Path]:
        """Return the files of some images, by their numbers: paths, or places in shards that are read like these."""
        chosen = np.asarray(images, np.int64)
        uris = self.images["uri"].take(chosen).to_pylist()
        if self.pack is None:
            return [self.path(uri) for uri in uris]
        return [as_place(self.pack.file(image, uri)) for image, uri in zip(chosen.tolist(), uris, strict=True)]

    def segments(self, start: int, stop: int) -> Iterator[dict[str, Any]]:
        """Yield the segments of images [start, stop), in order of images."""
        return self._of_images("segments", start, stop)

    @property
    def has_ignored(self) -> bool:
        """Whether annotations say of some pixels that they do not know what these are."""
        return self._has("ignored")

    def ignored_regions(self, start: int, stop: int) -> Iterator[dict[str, Any]]:
        """Yield the ignored regions of images [start, stop), in order of images."""
        return self._of_images("ignored", start, stop) if self.has_ignored else iter(())

    def _of_images(self, name: str, start: int, stop: int) -> Iterator[dict[str, Any]]:
        with self._opened(name) as path:
            rows = pq.read_table(readable(path), filters=[("image", ">=", start), ("image", "<", stop)]).sort_by(
                "image"
            )
        yield from rows.to_pylist()

    def rows(self, name: str) -> int:
        """Return how many rows a table has, without reading them; InputError if its file is damaged."""
        if not self._has(name):
            return 0
        with self._opened(name) as path:
            return pq.read_metadata(readable(path)).num_rows


def _other(dataset: Dataset) -> str:
    """Return what a data set without concepts can be asked for."""
    if not dataset.rows("attributes"):
        return ""
    return "; it has attributes, which name no pixels: ask for --methods unit-attribute"


def _joined(digests: Iterable[str]) -> str:
    """Return the identity of a data set whose tables have these digests of their rows."""
    return hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest()


@lru_cache(maxsize=64)
def _digest_of(path: Path, size: int, time: int) -> str:
    """Return the SHA-256 of a file, read once in a process while its size and time stay."""
    with path.open("rb") as file:
        return digest_of(file)


@lru_cache(maxsize=2)
def opened(folder: Path, identity: str) -> Dataset:
    """Return a data set by its folder and identity; a process keeps those it read last, so that it lists images once."""
    del identity
    return Dataset(folder)


def files_of(folder: str | Path) -> list[Path]:
    """Return the files whose size and time tell whether a data set changed: its manifest and its tables."""
    place = path_of(folder)
    tables = (place / f"{name}.parquet" for name in ALL_TABLES)
    return [place / MANIFEST, *(path for path in (*tables, place / INDEX) if path.is_file())]


__all__ = ["MANIFEST", "NEGATIVE", "Dataset", "DatasetWriter", "decode_mask", "encode_mask", "files_of", "opened"]
