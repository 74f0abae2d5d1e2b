"""Panels: networks that are shown an image block one after the other by one worker, so that it is decoded once."""

from filterscope.pipeline.methods.tasks import view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Networks of a panel, and bytes of the float32 weights of those that a worker holds; one network may exceed them.
_MOST, ROOM = 8, 1 << 30
#: Pieces of work that each worker must find, or the panel would keep workers idle.
_PIECES = 4
#: Blocks of views of a piece of work without a store: what a span leaves does not grow with its views as activations do.
SPAN = 16


def weight_bytes(model: PlannedModel) -> int:
    """Return the bytes of a network's weights, in float32."""
    return 4 * model.parameters


def panels(plan: Plan) -> dict[str, int]:
    """Return the number of the panel of each network: those that follow each other and fit into a worker together."""
    pieces = -(-len(view_blocks(plan)) // (1 if plan.options.stored else SPAN))
    most = _MOST if pieces >= _PIECES * (plan.options.actors or 0) else 1
    found: dict[str, int] = {}
    number, members, held = 0, 0, 0
    for model in plan.models:
        if members and (members == most or held + weight_bytes(model) > ROOM):
            number, members, held = number + 1, 0, 0
        found[model.name], members, held = number, members + 1, held + weight_bytes(model)
    return found


__all__ = ["ROOM", "SPAN", "panels", "weight_bytes"]
