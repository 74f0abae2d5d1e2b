"""Open the networks of a plan, and hold those that an actor used last."""

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np

from filterscope.pipeline.methods.extraction.panels import ROOM, weight_bytes
from filterscope.pipeline.methods.tasks import planned_views
from filterscope.pipeline.models.arithmetic import settle_torch
from filterscope.pipeline.models.network import Identity, Network
from filterscope.pipeline.run.device import card, refuse_other_card
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Networks that are held whatever they take.
_HELD = 2
_DECODED_AT_ONCE = 32


def open_network(plan: Plan, model: PlannedModel, layers: tuple[str, ...]) -> Network:
    """Open a planned network with these layers tapped.

    Raises
    ------
    RunError
        If its weights or preprocessing changed since the run was planned, or it was planned on another kind of GPU.
    """
    if plan.device_name:
        refuse_other_card(plan.device_name, card())
    return Network.open(
        model.spec,
        layers=layers,
        expected=Identity(model.weights_sha256, model.transform, model.name),
        batch_size=model.batch_size,
        device=plan.options.device,
        scale=plan.options.activation_scale,
        factory=plan.factories.get(model.name),
        first_views=first_views(plan, model),
        layouts={layer.name: layer.layout for layer in model.layers},
    )


def first_views(plan: Plan, model: PlannedModel) -> Iterator[np.ndarray]:
    """Decode the views of the run one after another, without those that cannot be decoded."""
    for start in range(0, plan.view_count, _DECODED_AT_ONCE):
        decoded = planned_views(plan, model, start, min(start + _DECODED_AT_ONCE, plan.view_count))
        yield from (pixels for pixels, reason in zip(decoded.pixels, decoded.reasons, strict=True) if not reason)


class HeldNetworks:
    """Keeps the networks that were used last, opened in a process whose torch is settled."""

    def __init__(self) -> None:
        settle_torch()
        self._networks: OrderedDict[tuple[str, tuple[str, ...]], Network] = OrderedDict()
        self._bytes: dict[tuple[str, tuple[str, ...]], int] = {}

    def network(self, plan: Plan, model: PlannedModel, layers: tuple[str, ...]) -> Network:
        """Return a network with these layers tapped, opened if it is not held."""
        key = model.name, layers
        if key not in self._networks:
            self._bytes[key] = weight_bytes(model)
            while len(self._networks) >= _HELD and sum(self._bytes.values()) > ROOM:
                self._bytes.pop(self._networks.popitem(last=False)[0])
            self._networks[key] = open_network(plan, model, layers)
        self._networks.move_to_end(key)
        return self._networks[key]


__all__ = ["HeldNetworks", "first_views", "open_network"]
