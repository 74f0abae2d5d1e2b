"""Stage `judge`: the colours of the views of a run in coarse cells, and what another network says of them, block by block."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.codes.classifier import digest_of
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.outputs.views import refuse_broken, seen_views
from filterscope.pipeline.methods.semantics.options import SemanticsOptions
from filterscope.pipeline.methods.tasks import ModelViewsTask, by_model_views, view_blocks
from filterscope.pipeline.models.stated import stated_spec
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace
from filterscope.pipeline.stores.promises import Promise

_STAGE = "judge"
#: Views of every pass: results depend on it in their last bits.
_BATCH = 16
#: Rows and columns of the coarse pixels.
_CELLS = 8


class Judge:
    """Another network, which looks at the views of an audited one.

    Parameters
    ----------
    text : str
        As the option states it.
    device : str
        cpu or cuda.
    """

    def __init__(self, text: str, device: str) -> None:
        from filterscope.pipeline.models.model import open_model
        from filterscope.pipeline.models.tensors import normalisation

        model = open_model(stated_spec(text))
        self._module, self._device = model.module.to(device).eval(), device
        self._size, self._channels = model.transform.input_size, model.transform.channels
        self._mean, self._std = normalisation(model, device)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return class scores, float32 of shape (n, classes), of images, uint8 of shape (n, height, width, 3)."""
        import torch

        from filterscope.pipeline.models.scores import scores_of
        from filterscope.pipeline.models.tensors import grey, padded_batches

        found = []
        for rows, batch in padded_batches(pixels, _BATCH):
            images = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float()
            with torch.inference_mode():
                if images.shape[2:] != self._size:
                    images = torch.nn.functional.interpolate(images, self._size, mode="bilinear", antialias=True)
                if self._channels == 1:
                    images = grey(images)[:, None]
                scores = scores_of(self._module((images - self._mean) / self._std))
                found.append(scores[: rows.stop - rows.start].float().cpu().numpy())
        return np.concatenate(found)


def judged_path(run: Path, place: KeyPlace) -> Path:
    """Return where the scores of a block of views lie."""
    return run.joinpath(_STAGE, *place[:-1], f"{place[-1]}.npz")


#: Coarse pixels, and class scores of another network where one is named.
JUDGED = Artifact.single("judged", judged_path)


class _Judging:
    """Called once for each block of views; holds the other network."""

    def __init__(self) -> None:
        self._held: tuple[str, Judge] | None = None

    def __call__(self, task: ModelViewsTask) -> list[Output]:
        plan, text = task.plan, task.plan.of(SemanticsOptions).judge
        pixels, seen = seen_views(plan, task.model, task.start, task.stop)
        arrays = {"pixels": coarse(pixels)}
        if text is not None:
            if self._held is None or self._held[0] != text:
                self._held = text, Judge(text, plan.options.device)
            arrays["scores"] = self._held[1](pixels)
            finite = np.isfinite(arrays["scores"]).all(axis=1)
            refuse_broken(plan, finite | ~seen, task.start, f"scores of {text} are")
        digest = write_arrays(judged_path(plan.run, task.key.place), arrays)
        return [Output(task.key, len(pixels), int(seen.sum()), checksums={JUDGED.name: digest})]


def coarse(pixels: np.ndarray) -> np.ndarray:
    """Return the mean colours of at most 8 x 8 cells, float32 of shape (n, values), of images (n, height, width, 3)."""
    found = pixels.astype(np.float64)
    for axis in (1, 2):
        size = found.shape[axis]
        cells = min(size, _CELLS)
        starts = np.arange(cells) * size // cells
        shape = [1, 1, 1, 1]
        shape[axis] = cells
        found = np.add.reduceat(found, starts, axis=axis) / np.diff(np.append(starts, size)).reshape(shape)
    return found.reshape(len(pixels), -1).astype(np.float32)


def read_judged(plan: Plan, model: PlannedModel) -> dict[str, np.ndarray]:
    """Return coarse pixels of all views, and class scores where another network is named: float64, (views, values)."""
    places = [(model.name, block) for block, _, _ in view_blocks(plan)]
    read = [Promise(plan.run, (_STAGE,), place).read(JUDGED.name, judged_path(plan.run, place)) for place in places]
    parts = [read_arrays(part) for part in read]
    return {name: np.concatenate([part[name] for part in parts]).astype(np.float64) for name in parts[0]}


def judged_by(plan: Plan) -> str | None:
    """Return what tells one judge from another; None for none."""
    return digest_of(plan.of(SemanticsOptions).judge)


def _parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    return {"judge": judged_by(plan), "batch": _BATCH, "cells": _CELLS}


JUDGE = StageKind(
    _STAGE,
    reads=(DECODED,),
    writes=(JUDGED,),
    plan=by_model_views(partial(forward_step, actor=_Judging)),
    parameters=_parameters,
    like=("extract",),
)

__all__ = ["JUDGE", "JUDGED", "Judge", "coarse", "judged_by", "read_judged"]
