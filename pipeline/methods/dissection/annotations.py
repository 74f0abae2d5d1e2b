"""Stage `annotations`: the masks of all images of a geometry in one file, so that any image's labels can be looked up.

Permuted annotations are read in no order. The file is mapped into memory, not read: 8 bytes for 64 mask pixels, or 1.8 KB
for a mask of 112 x 112 that labels no whole image, shared by all processes of a machine; an object is read by each.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from filterscope.operators.dissection.masks import MaskBlock
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, Unit, blocks
from filterscope.pipeline.methods.dissection import masks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore, MaskStore
from filterscope.pipeline.stores.places import draft_of, is_object, readable, write_atomically


@dataclass(frozen=True)
class AnnotationTask:
    """The labels of one geometry; `model` is any model that uses it and knows which images could be decoded."""

    unit: Unit
    plan: Plan
    model: PlannedModel


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


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the annotations of a geometry depend on."""
    return Fingerprint({}, {"masks": masks.fingerprint(plan, plan.mask_key(model)).digest})


def annotations_stage(plan: Plan) -> Stage:
    """Plan the annotations: one unit for each geometry."""
    tasks = {}
    for model in plan.models:
        unit = Unit("annotations", (plan.mask_key(model),), fingerprint(plan, model))
        tasks.setdefault(unit, AnnotationTask(unit, plan, model))
    return Stage.of("annotations", tasks, gather)


def gather(task: AnnotationTask) -> list[Output]:
    """Put the masks of all blocks behind each other, and note which images were decoded."""
    plan, folder = task.plan, _folder(task.plan.run, task.plan.mask_key(task.model))
    seen = ActivationStore(plan.run, task.model.name, task.model.layers[0].name)
    store, decoded, parts, drawn = MaskStore(plan.run, plan.mask_key(task.model)), [], [], 0
    with _written(folder / "words") as file:
        for block, start, stop in blocks("images", plan.images, plan.options.image_block):
            part = store.read(block)
            file.write(np.ascontiguousarray(part.words, "<u8").tobytes())
            parts.append(part._replace(bitmap=np.where(part.bitmap < 0, -1, part.bitmap + drawn), words=part.words[:0]))
            decoded.append(start + np.flatnonzero(~np.isnan(seen.read_maxima(start, stop, slice(0, 1))[:, 0])))
            drawn += len(part.words)
    counts = np.concatenate([np.diff(part.first) for part in parts])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    shape = np.array([drawn, *parts[0].words.shape[1:]])
    sink = io.BytesIO()
    np.savez(
        sink, first=np.concatenate([[0], np.cumsum(counts)]), shape=shape, decoded=np.concatenate(decoded), **columns
    )
    write_atomically(index_path(plan.run, plan.mask_key(task.model)), sink.getvalue())
    return [Output(task.unit, len(columns["concept"]), plan.images)]


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that is put in place when it is whole."""
    if is_object(path):
        sink = io.BytesIO()
        yield sink
        write_atomically(path, sink.getvalue())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    with draft.open("wb") as file:
        yield file
    draft.replace(path)


_COLUMNS = ("concept", "area", "bitmap", "band")


def index_path(run: Path, key: str) -> Path:
    """Return where the index of the labels of a geometry lies."""
    return _folder(run, key) / "index.npz"


def _folder(run: Path, key: str) -> Path:
    return run / "masks" / key / "annotations"


def open_annotations(run: Path, key: str) -> Annotations:
    """Open the annotations of a geometry."""
    with np.load(readable(index_path(run, key)), allow_pickle=False) as index:
        first, decoded, shape = index["first"], index["decoded"], tuple(index["shape"].tolist())
        columns = [index[name] for name in _COLUMNS]
    # an empty file cannot be mapped
    words = np.zeros(shape, np.uint64)
    if shape[0]:
        path = _folder(run, key) / "words"
        held = np.frombuffer(path.read_bytes(), "<u8") if is_object(path) else np.memmap(path, "<u8", "r")
        words = np.asarray(held).reshape(shape)
    return Annotations(MaskBlock(first.astype(np.int64), *columns, words), decoded)
