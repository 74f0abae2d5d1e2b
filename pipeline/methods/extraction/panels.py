"""Panels: networks that are shown an image block one after the other by one worker, so that it is decoded once."""

from filterscope.pipeline.methods.tasks import view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Networks of a panel, and bytes of the float32 weights of those that a worker holds; one network may exceed them.
_MOST, ROOM = 8, 1 << 30
#: Image blocks that each worker must find, or the panel would keep workers idle.
_BLOCKS = 4


def weight_bytes(model: PlannedModel) -> int:
    """Return the bytes of a network's weights, in float32."""
    return 4 * model.parameters


def panels(plan: Plan) -> dict[str, int]:
    """Return the number of the panel of each network: those that follow each other and fit into a worker together."""
    most = _MOST if len(view_blocks(plan)) >= _BLOCKS * (plan.options.actors or 0) else 1
    found: dict[str, int] = {}
    number, members, held = 0, 0, 0
    for model in plan.models:
        if members and (members == most or held + weight_bytes(model) > ROOM):
            number, members, held = number + 1, 0, 0
        found[model.name], members, held = number, members + 1, held + weight_bytes(model)
    return found


__all__ = ["ROOM", "panels", "weight_bytes"]
