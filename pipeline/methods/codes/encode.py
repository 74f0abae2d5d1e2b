"""Stage `encode`: the codes of drawn views, the shapes in them, and the codes of some of them once they are transformed."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from filterscope.operators.codes.equivariance import TRANSFORMS, drawn, transformed
from filterscope.operators.codes.morphometry import FACTORS, morphometry
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.codes.options import CodesOptions
from filterscope.pipeline.methods.codes.subjects import Subject, drawn_views, measures_shapes, random_of, subjects
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.outputs.views import refuse_broken, seen_views
from filterscope.pipeline.methods.tasks import ModelViewsTask, by_model_views, view_blocks
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace
from filterscope.pipeline.stores.promises import Promise

if TYPE_CHECKING:
    from filterscope.pipeline.models.network import Network

_STAGE = "encode"
#: Rows and columns of the pixels, and of the plain layer, that codes are compared with.
_PIXELS, _PLAIN = 28, 4
#: Shares of red, green and blue in a grey value, of ITU-R 601.
_GREY = np.array([0.299, 0.587, 0.114])


def coded_path(run: Path, place: KeyPlace) -> Path:
    """Return where the codes of a block of views lie."""
    return run.joinpath(_STAGE, *place[:-1], f"{place[-1]}.npz")


#: Codes, shapes, and codes of transformed views.
CODED = Artifact.single("coded", coded_path)


class _Encoder:
    """Called once for each block of views; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: ModelViewsTask) -> list[Output]:
        plan, model = task.plan, task.model
        pixels, seen = seen_views(plan, model, task.start, task.stop)
        here = np.zeros(len(pixels), bool)
        chosen, moved = (views[(views >= task.start) & (views < task.stop)] - task.start for views in drawn_views(plan))
        here[chosen] = True
        rows = np.flatnonzero(here & seen)
        moved = moved[seen[moved]]
        tapped = {layer.name for layer in model.layers} if model.coding is None else {_named(plain_layer(model))}
        network = self._networks.network(plan, model, tuple(sorted(tapped - {""})))
        arrays: dict[str, np.ndarray] = {"views": task.start + rows, "moved": task.start + moved}
        for number, codes in enumerate(encoded(network, model, pixels[rows])[0]):
            finite = np.ones(len(pixels), bool)
            finite[rows] = np.isfinite(codes).all(axis=(1, 2))
            refuse_broken(plan, finite, task.start, f"codes of {model.name} are")
            arrays[f"codes-{number}"] = codes
        if model.coding is not None and model.coding.routes:
            arrays |= {f"routed-{name}": values for name, values in network.routed(pixels[rows]).items()}
        if measures_shapes(plan, model):
            arrays["shapes"] = morphometry(grey(pixels[rows]))
        arrays |= _moved(plan, model, network, task.start + moved, pixels[moved])
        digest = write_arrays(coded_path(plan.run, task.key.place), arrays)
        return [Output(task.key, len(rows), len(rows), checksums={CODED.name: digest})]


def encoded(network: "Network", model: PlannedModel, pixels: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the codes of n views by subject, float32 of shape (n, groups, dims), and the plain layer, (n, values)."""
    own, plain = subjects(model), plain_layer(model)
    codes: list[list[np.ndarray]] = [[] for subject in own if subject.encodes]
    layer: list[np.ndarray] = []
    for start in range(0, len(pixels), network.batch_size):
        batch = pixels[start : start + network.batch_size]
        maps = network.exact(batch) if network.layers else {}
        for found, subject in zip(codes, own, strict=False):
            found.append(network.codes(batch) if subject.own else _pooled(maps[subject.layer]))
        layer.append(_coarse(maps[plain.name]) if plain else np.zeros((len(batch), 0), np.float32))
    empty = [np.zeros((0, subject.groups, subject.dims), np.float32) for subject in own if subject.encodes]
    joined = [np.concatenate(found) if found else none for found, none in zip(codes, empty, strict=True)]
    return joined, np.concatenate(layer) if layer else np.zeros((0, 0), np.float32)


def plain_layer(model: PlannedModel) -> Layer | None:
    """Return the last audited layer that gives maps."""
    maps = [layer for layer in model.layers if layer.height > 1 and layer.width > 1]
    return maps[-1] if maps else None


def _named(layer: Layer | None) -> str:
    return "" if layer is None else layer.name


def _pooled(maps: np.ndarray) -> np.ndarray:
    return np.asarray(maps.mean(axis=(2, 3), dtype=np.float64).astype(np.float32)[:, None])


def _coarse(maps: np.ndarray) -> np.ndarray:
    """Return maps averaged over few positions, float32 of shape (n, values)."""
    return _cells(maps, _PLAIN).reshape(len(maps), -1).astype(np.float32)


def _cells(values: np.ndarray, most: int) -> np.ndarray:
    """Average the last two axes over at most `most` by `most` cells of equal size, within one row or column."""
    for axis in (values.ndim - 2, values.ndim - 1):
        size = values.shape[axis]
        if size > most:
            starts = np.arange(most) * size // most
            lengths = np.diff(np.append(starts, size))
            shape = [1] * values.ndim
            shape[axis] = most
            values = np.add.reduceat(values.astype(np.float64), starts, axis=axis) / lengths.reshape(shape)
    return values


def grey(pixels: np.ndarray) -> np.ndarray:
    """Return the grey values from 0 to 1 of images: float64 of shape (n, height, width)."""
    return np.asarray(pixels @ _GREY / 255)


def _moved(
    plan: Plan, model: PlannedModel, network: "Network", views: np.ndarray, pixels: np.ndarray
) -> dict[str, np.ndarray]:
    """Transform views, each by a size drawn for it, and encode them: arrays with an axis of transforms after the first."""
    if not len(views) or not any(subject.encodes for subject in subjects(model)):
        return {}
    sizes = np.zeros((len(views), len(TRANSFORMS)))
    results = []
    for at, kind in enumerate(TRANSFORMS):
        sizes[:, at] = [drawn(kind, random_of(plan, "transform", kind, view)) for view in views.tolist()]
        shown = [transformed(image, kind, size) for image, size in zip(pixels, sizes[:, at], strict=True)]
        batch = np.stack(shown)
        codes, plain = encoded(network, model, batch)
        small = np.rint(_cells(255 * grey(batch), _PIXELS)).astype(np.uint8).reshape(len(batch), -1)
        results.append([*codes, small, plain.astype(np.float16)])
    *codes, small, plain = (np.stack(values, axis=1) for values in zip(*results, strict=True))
    found = {"sizes": sizes, "moved-pixels": small, "moved-plain": plain}
    return found | {f"moved-codes-{number}": values for number, values in enumerate(codes)}


def read_coded(plan: Plan, model: PlannedModel, *names: str) -> dict[str, np.ndarray]:
    """Return arrays of all views of a model, in order of views, from the blocks that have them; others are left out."""
    parts = []
    for block, _, _ in view_blocks(plan):
        place = (model.name, block)
        read = Promise(plan.run, (_STAGE,), place).read(CODED.name, coded_path(plan.run, place))
        stored = read_arrays(read)
        parts.append({name: stored[name] for name in names if name in stored})
    found = {name: [part[name] for part in parts if name in part] for name in names}
    return {name: np.concatenate(arrays) for name, arrays in found.items() if arrays}


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what codes depend on beside the network, the views and how they are run."""
    asked = plan.of(CodesOptions)
    return {
        "images": asked.images,
        "moved": asked.moved,
        "shapes": list(FACTORS) if measures_shapes(plan, model) else [],
        "transforms": {kind: list(ends) for kind, ends in TRANSFORMS.items()},
        "subjects": [[subject.layer, subject.groups, subject.dims] for subject in subjects(model)],
        "latents": [list(ends) for ends in model.coding.latents] if model.coding else [],
        **({"routes": True} if model.coding and model.coding.routes else {}),
    }


ENCODE = StageKind(
    _STAGE,
    reads=(DECODED,),
    writes=(CODED,),
    plan=by_model_views(partial(forward_step, actor=_Encoder)),
    parameters=parameters,
    like=("extract",),
)

__all__ = ["CODED", "ENCODE", "Subject", "encoded", "grey", "plain_layer", "read_coded"]
