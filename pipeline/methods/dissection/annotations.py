"""Stage `annotations`: the masks of all images of a geometry in one file, so that any image's labels can be looked up.

Permuted annotations are read in no order. The file is mapped into memory, not read: 8 bytes for 64 mask pixels, or 1.8 KB
for a mask of 112 x 112 that labels no whole image, shared by all processes of a machine; an object is read by each.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filterscope.operators.dissection.masks import MaskBlock
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.dissection.artifacts import ANNOTATIONS, MASKS, annotation_paths
from filterscope.pipeline.methods.dissection.concepts import by_geometry
from filterscope.pipeline.methods.dissection.options import mask_key
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import ModelTask
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.masks import MaskStore
from filterscope.pipeline.stores.places import digest_of, open_writing
from filterscope.pipeline.stores.promises import Promise


@dataclass(frozen=True)
class Annotations:
    """Labels of all views in one geometry.

    Attributes
    ----------
    masks : MaskBlock
        Of every view; its words are mapped, not read.
    decoded : int64 ndarray
        Views whose image could be decoded, ascending.
    """

    masks: MaskBlock
    decoded: np.ndarray


def gather(task: ModelTask) -> list[Output]:
    """Put the masks of all blocks behind each other, and note which images were decoded."""
    plan, key = task.plan, mask_key(task.plan, task.model)
    path, words = annotation_paths(plan.run, key)
    seen = ActivationStore(plan.run, task.model.name, task.model.layers[0].name)
    store, decoded, parts, drawn = MaskStore(plan.run, key), [], [], 0
    with open_writing(words) as file:
        for block, start, stop in blocks("images", plan.view_count, plan.options.image_block):
            part = store.read(block)
            file.write(np.ascontiguousarray(part.words, "<u8").tobytes())
            parts.append(part._replace(bitmap=np.where(part.bitmap < 0, -1, part.bitmap + drawn), words=part.words[:0]))
            decoded.append(start + np.flatnonzero(~np.isnan(seen.read_maxima(start, stop, slice(0, 1))[:, 0])))
            drawn += len(part.words)
        digest = digest_of(file)
    counts = np.concatenate([np.diff(part.first) for part in parts])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    shape = np.array([drawn, *parts[0].words.shape[1:]])
    first = np.concatenate([[0], np.cumsum(counts)])
    found = {"first": first, "shape": shape, "decoded": np.concatenate(decoded), **columns}
    index = write_arrays(path, found, compressed=False)
    checksums = {f"{ANNOTATIONS.name}/{path.name}": index, f"{ANNOTATIONS.name}/{words.name}": digest}
    return [Output(task.key, len(columns["concept"]), plan.view_count, checksums=checksums)]


_COLUMNS = ("concept", "area", "bitmap", "band")


def open_annotations(run: Path, key: str) -> Annotations:
    """Open the annotations of a geometry."""
    (path, mapped), promise = annotation_paths(run, key), Promise(run, ("annotations",), (key,))
    index = read_arrays(promise.read(f"{ANNOTATIONS.name}/{path.name}", path))
    drawn = promise.read(f"{ANNOTATIONS.name}/{mapped.name}", mapped)
    words = np.frombuffer(drawn, "<u8").reshape(index["shape"].tolist())
    columns = {name: index[name] for name in _COLUMNS}
    masks = MaskBlock(first=index["first"].astype(np.int64), words=words, **columns)
    return Annotations(masks, index["decoded"])


ANNOTATIONS_STAGE = StageKind("annotations", reads=(MASKS, DECODED), writes=(ANNOTATIONS,), plan=by_geometry(gather))
