"""Weights that a checkpoint lacks: nothing that is used of the network may depend on them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.model import Model
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.tensors import normalisation, prepare
from filterscope.pipeline.models.weights import misfit


def refuse_dependent(model: Model, layers: Sequence[str], *, scores: bool = False) -> None:
    """Stop if a layer, or the class scores, depend on weights that the checkpoint lacks.

    Those weights become NaN and stay so: whatever they reach is NaN, whether it goes through a module or past it, and
    can never be taken for a result.

    Parameters
    ----------
    model : Model
        The network; changed where weights are absent.
    layers : sequence of str
        Layers that are used.
    scores : bool
        Whether the class scores are used too.

    Raises
    ------
    InputError
        With the weights that are missing and what depends on them.
    """
    if not model.absent:
        return
    own, taps = model.module.state_dict(keep_vars=True), Taps(model.module, layers)
    for key in model.absent:
        if not own[key].is_floating_point():
            raise InputError(_message(model, list(layers)))
        own[key].data.fill_(torch.nan)
    black = np.zeros((1, *model.transform.input_size, 3), np.uint8)
    with torch.inference_mode():
        batch = prepare(black, *normalisation(model, "cpu"), "cpu")
        found: dict[str, Tensor] = dict(taps(batch)) if layers else {}
        if scores:
            found["the class scores"] = scores_of(model.module(batch))
    if wrong := [name for name, values in found.items() if values.isnan().any()]:
        raise InputError(_message(model, wrong))


def _message(model: Model, wrong: list[str]) -> str:
    assert model.spec.weights_path is not None
    kind = f"missing, on which {', '.join(wrong)} depends"
    return misfit(model.spec.weights_path, model.architecture, [(kind, model.absent)])


__all__ = ["refuse_dependent"]
