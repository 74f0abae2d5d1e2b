"""Where a run keeps its arrays and tables: Zarr for activations, Arrow for masks, Parquet for results."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from filterscope.operators.dissection.masks import MaskBlock
from filterscope.pipeline.stores.places import draft_of, is_object, object_store, remove_tree, write_atomically
from filterscope.pipeline.stores.shards import read_chunk, write_shard
from filterscope.schemas.results import TABLES

# zarrs is the Rust codec pipeline; one thread, because parallelism is Ray's.
_ZARR = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": 1}


@dataclass(frozen=True)
class ActivationStore:
    """Activations of one layer of one model, written by image and read by unit.

    `activations` is float16 of shape (views, units, height, width), one shard an image block, so that each shard has one
    writer; inner chunks of `unit_block` units, so that a block of units is read without the others. `maxima` is float16 of
    shape (views, units), NaN for a view that was rejected, and outlives the activations.
    """

    run: Path
    model: str
    layer: str

    def create(
        self, views: int, units: int, height: int, width: int, *, image_block: int, unit_block: int, maps: bool = True
    ) -> None:
        """Create both arrays, or without `maps` that of the maxima, if not there; the view axis is padded to whole shards."""
        import zarr

        padded = -(-views // image_block) * image_block
        unit_block = min(unit_block, units)
        shapes = {
            "activations": ((padded, units, height, width), (image_block, unit_block, height, width)),
            "maxima": ((padded, units), (image_block, units)),
        }
        for name, (shape, chunks) in shapes.items():
            if (name == "activations" and not maps) or self._fits(name, shape, image_block):
                continue
            zarr.create_array(
                _zarr_store(self._place(name)),
                shape=shape,
                chunks=chunks,
                # a shard holds whole chunks, so its unit axis is rounded up
                shards=(image_block, -(-units // unit_block) * unit_block, height, width) if len(shape) == 4 else None,
                dtype="float16",
                # half of Zstandard's savings at three times its speed; numbers that do not repeat are stored as they are
                compressors=zarr.codecs.BloscCodec(cname="lz4", clevel=1, shuffle="noshuffle", typesize=2),
                fill_value=0 if name == "activations" else np.nan,
                attributes={"views": views},
                overwrite=True,
            )

    def _fits(self, name: str, shape: tuple[int, ...], image_block: int) -> bool:
        """Tell whether the array is there; one of another shape is left from before a --redo."""
        import zarr

        if not (self._place(name) / "zarr.json").exists():
            return False
        there = zarr.open_array(_zarr_store(self._place(name)), mode="r")
        return (there.shape, (there.shards or there.chunks)[0]) == (shape, image_block)

    def write(self, start: int, activations: np.ndarray, maxima: np.ndarray) -> None:
        """Write one image block, whole; what an interrupted writer left there is removed first."""
        chunk = self._arrays["activations"].chunks
        write_shard(self._shard(start // chunk[0]), activations, chunk)
        self.write_maxima(start, maxima)

    def write_maxima(self, start: int, maxima: np.ndarray) -> None:
        """Write the maxima of one image block (float16, shape (views, units))."""
        array = self._arrays["maxima"]
        self._place("maxima").joinpath("c", str(start // array.chunks[0]), "0").unlink(missing_ok=True)
        with _quick_zarr(self.run):
            array[start : start + len(maxima)] = maxima

    def read(self, start: int, stop: int, units: slice) -> np.ndarray:
        """Read the maps of some units on views [start, stop): float16 of shape (views, units, height, width)."""
        array = self._arrays["activations"]
        views, block = array.chunks[:2]
        if start % views or stop - start > views or units.start % block or units.stop - units.start > block:
            with _quick_zarr(self.run):
                return np.asarray(array[start:stop, units])
        chunk = read_chunk(self._shard(start // views), units.start // block, array.shards[1] // block, array.chunks)
        return chunk[: stop - start, : units.stop - units.start]

    def read_maxima(self, start: int, stop: int, units: slice) -> np.ndarray:
        """Read the maxima of some units on views [start, stop): float16 of shape (views, units)."""
        with _quick_zarr(self.run):
            return np.asarray(self._arrays["maxima"][start:stop, units])

    @property
    def removed(self) -> bool:
        """Whether the maps were deleted, so that reading would give zeros."""
        return (self._place("activations") / "removed").exists()

    def remove_activations(self) -> None:
        """Delete the stored maps; the maxima stay."""
        (self._place("activations") / "removed").touch()
        remove_tree(self._place("activations") / "c")

    def readmit(self) -> None:
        """Take note that the maps will be written again."""
        (self._place("activations") / "removed").unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        return self.run / f"{name}.zarr" / self.model / self.layer

    def shard(self, start: int) -> Path:
        """Return the file of the image block that begins at a view."""
        return self._shard(start // self._arrays["activations"].chunks[0])

    def read_block(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Read all maps and maxima of the image block that begins at a view."""
        maps, maxima = self._arrays["activations"], self._arrays["maxima"]
        views = range(maps.attrs["views"])[start : start + maps.chunks[0]]
        found = [
            self.read(start, views.stop, slice(first, min(first + maps.chunks[1], maps.shape[1])))
            for first in range(0, maps.shape[1], maps.chunks[1])
        ]
        with _quick_zarr(self.run):
            return np.concatenate(found, axis=1), np.asarray(maxima[start : views.stop])

    def _shard(self, block: int) -> Path:
        return self._place("activations").joinpath("c", str(block), "0", "0", "0")

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        import zarr

        places = {name: self._place(name) for name in ("activations", "maxima")}
        there = {name: place for name, place in places.items() if (place / "zarr.json").exists()}
        return {name: zarr.open_array(_zarr_store(place), mode="r+") for name, place in there.items()}


def _zarr_store(path: Path) -> Any:
    """Return what Zarr opens an array at."""
    if not is_object(path):
        return str(path)
    from zarr.storage import ObjectStore

    return ObjectStore(object_store(path.parts[1], "/".join(path.parts[2:])))


@contextmanager
def _quick_zarr(run: Path) -> Iterator[None]:
    import zarr

    # zarrs would connect to an object store anew for every array
    with zarr.config.set({} if is_object(run) else _ZARR):
        yield


@dataclass(frozen=True)
class MaskStore:
    """Concept masks of a data set in one geometry and resolution, shared by all models: one file an image block."""

    run: Path
    key: str

    def write(self, block: str, masks: MaskBlock) -> str:
        """Write the labels of one image block; return the file's SHA-256."""
        bitmaps = masks.bitmap.tolist()
        table = pa.table(
            {
                "image": np.repeat(np.arange(len(masks.first) - 1, dtype=np.int32), np.diff(masks.first)),
                "concept": masks.concept,
                "area": masks.area,
                "top": masks.band[:, 0],
                "bottom": masks.band[:, 1],
                "words": pa.array([None if b < 0 else masks.words[b].tobytes() for b in bitmaps], pa.binary()),
            }
        ).replace_schema_metadata(
            {"images": str(len(masks.first) - 1), "words": str(masks.words.shape[1]), "size": str(masks.words.shape[2])}
        )
        sink = io.BytesIO()
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        with pyarrow.ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_table(table)
        write_atomically(self.path(block), sink.getvalue())
        return hashlib.sha256(sink.getvalue()).hexdigest()

    def read(self, block: str) -> MaskBlock:
        """Read the labels of one image block."""
        with _mapped(self.path(block)) as file:
            table = pyarrow.ipc.open_file(file).read_all()
        notes = {key.decode(): int(value) for key, value in table.schema.metadata.items()}
        column = {name: table[name].to_numpy() for name in ("image", "concept", "area", "top", "bottom")}
        drawn = np.asarray(table["words"].is_valid())
        return MaskBlock(
            np.searchsorted(column["image"], np.arange(notes["images"] + 1)).astype(np.int64),
            column["concept"],
            column["area"],
            np.where(drawn, np.cumsum(drawn) - 1, -1).astype(np.int64),
            np.stack([column["top"], column["bottom"]], axis=1),
            _joined(table["words"]).view(np.uint64).reshape(-1, notes["words"], notes["size"]),
        )

    def path(self, block: str) -> Path:
        """Return the file of an image block."""
        return self.run / "masks" / self.key / f"{block}.arrow"


def _mapped(path: Path) -> Any:
    return pa.BufferReader(path.read_bytes()) if is_object(path) else pa.memory_map(str(path))


def _joined(values: pa.ChunkedArray) -> np.ndarray:
    """Return the bytes of all values of a binary column one after the other, uint8; as Arrow holds them, where it can."""
    parts = []
    for chunk in values.chunks:
        _, ends, content = chunk.buffers()
        start, stop = np.frombuffer(ends, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
        parts.append(np.frombuffer(content or b"", np.uint8)[start:stop])
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.uint8), *parts])


def table_path(run: Path, table: str, place: Iterable[str]) -> Path:
    """Return where a unit's part of a table lies; (model, layer, block) become Hive folders."""
    *folders, block = place
    hive = [f"{key}={value}" for key, value in zip(("model", "layer"), folders, strict=False)]
    return run.joinpath("tables", table, *hive, f"{block}.parquet")


def write_table(
    run: Path, table: str, place: Iterable[str], rows: Iterable[pa.RecordBatch | pa.Table]
) -> tuple[int, str]:
    """Write a unit's part of a table, piece by piece, and put it in place at the end.

    Returns
    -------
    (int, str)
        Rows written and the file's SHA-256.
    """
    path = table_path(run, table, place)
    if is_object(path):
        sink = io.BytesIO()
        count = _write_rows(sink, table, rows)
        write_atomically(path, sink.getvalue())
        return count, hashlib.sha256(sink.getbuffer()).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = draft_of(path)
    try:
        count = _write_rows(partial, table, rows)
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count, digest


def _write_rows(sink: Any, table: str, rows: Iterable[pa.RecordBatch | pa.Table]) -> int:
    count = 0
    with pq.ParquetWriter(sink, TABLES[table], compression="zstd") as writer:
        for piece in rows:
            count += piece.num_rows
            writer.write(piece)
    return count
