"""The networks that an actor holds between two pieces of work."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from filterscope.pipeline.models.network import Forward
from filterscope.pipeline.run.plan import Plan, PlannedModel

_MODELS_HELD = 2


def settle_torch() -> None:
    """Settle what float results depend on; one thread an actor, for actors are the parallelism."""
    import torch

    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


class HeldModels:
    """Keeps the networks that were used last."""

    def __init__(self) -> None:
        settle_torch()
        self._models: OrderedDict[tuple[str, tuple[str, ...]], Forward] = OrderedDict()

    def forward(
        self, plan: Plan, model: PlannedModel, layers: tuple[str, ...], factory: Callable[[], Any] | None
    ) -> Forward:
        """Return a network with these layers tapped, opened if it is not held."""
        key = model.name, layers
        if key not in self._models:
            while len(self._models) >= _MODELS_HELD:
                self._models.popitem(last=False)
            self._models[key] = Forward.open(plan, model, layers, factory)
        self._models.move_to_end(key)
        return self._models[key]
