"""Networks that have learned nothing, or whose head has not: what a map must change with.

The values of each weight tensor are put into another order, so that a randomised network has weights of the same size, and any
network can be randomised, whatever its modules are. Statistics of batch norm are estimated anew.
"""

import numpy as np
import torch
from torch import nn

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.methods.attribution.options import Which
from filterscope.pipeline.methods.extraction.networks import first_views, open_network
from filterscope.pipeline.models.model import BATCH_NORM_IMAGES, batch_norms, reestimate_batch_norm
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.tensors import prepare
from filterscope.pipeline.run.plan import Plan, PlannedModel

_BATCH = 32


def randomised(plan: Plan, model: PlannedModel, which: Which, *, centred: bool = False) -> Network:
    """Open a planned network and put its weights into another order, the same every time.

    With `centred`, weights and biases have mean 0 in each tensor, all but the weights of normalisations: where those of a
    trained layer are negative on the whole, in another order they would silence every unit behind a rectifier.
    """
    network = open_network(plan, model, ())
    module = network.taps.module
    last = _last_module(network, model) if which == "top" else ""
    for name, parameter in module.named_parameters():
        if which == "all" or name.rpartition(".")[0] == last:
            _shuffle(parameter, seed_of("attribution", model.weights_sha256, name))
            if centred and (parameter.ndim > 1 or name.endswith("bias")):
                parameter.data -= parameter.data.mean()
    if which == "all" and batch_norms(module):
        _settle(plan, model, network)
    return network


def _shuffle(parameter: nn.Parameter, seed: int) -> None:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(parameter.numel())).to(parameter.device)
    with torch.no_grad():
        parameter.copy_(parameter.detach().contiguous().flatten()[order].reshape(parameter.shape))


def _last_module(network: Network, model: PlannedModel) -> str:
    """Return the name of the module with weights of its own whose call ends last."""
    called: list[str] = []
    hooks = [
        part.register_forward_hook(lambda *_, name=name: called.append(name))
        for name, part in network.taps.module.named_modules()
        if next(part.parameters(recurse=False), None) is not None
    ]
    blank = np.zeros((1, *model.transform.input_size, 3), np.uint8)
    network.scores(blank)
    for hook in hooks:
        hook.remove()
    return called[-1] if called else ""


def _settle(plan: Plan, model: PlannedModel, network: Network) -> None:
    good = []
    for pixels in first_views(plan, model):
        good.append(pixels)
        if len(good) == BATCH_NORM_IMAGES:
            break
    whole = good * 2 if len(good) == 1 else good[: max(len(good) // _BATCH, 1) * _BATCH]
    with torch.no_grad():
        batches = torch.split(prepare(np.stack(whole), network.mean, network.std, network.device), _BATCH)
        reestimate_batch_norm(network.taps.module, batches)


__all__ = ["randomised"]
