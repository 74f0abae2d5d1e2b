"""Masks of concepts on disk: one Arrow file for each image block."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from filterscope.operators.dissection.masks import MaskBlock
from filterscope.pipeline.stores.places import Place, write_atomically
from filterscope.pipeline.stores.promises import Promise


@dataclass(frozen=True)
class MaskStore:
    """Concept masks of a data set in one geometry and resolution, shared by all models: one file per image block."""

    run: Place
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
        """Read the labels of one image block; DamagedError if they are missing, or not what was written."""
        promise = Promise(self.run, ("masks",), (self.key, block))
        with pa.BufferReader(promise.read("masks", self.path(block))) as file:
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

    def path(self, block: str) -> Place:
        """Return the file of an image block."""
        return self.run / "masks" / self.key / f"{block}.arrow"


def _joined(values: pa.ChunkedArray) -> np.ndarray:
    """Return the bytes of all values of a binary column one after the other, uint8; as Arrow holds them, where it can."""
    parts = []
    for chunk in values.chunks:
        _, ends, content = chunk.buffers()
        start, stop = np.frombuffer(ends, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
        parts.append(np.frombuffer(content or b"", np.uint8)[start:stop])
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.uint8), *parts])


__all__ = ["MaskStore"]
