"""The scale that ``--activation-scale auto`` takes, and the guard against activations below the range of float16."""

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from filterscope.operators.numerics.scale import lost, peak, scale_for, written
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.run.options import AUTO
from filterscope.pipeline.run.plan import Plan

if TYPE_CHECKING:
    from filterscope.pipeline.models.network import Network

#: Images that tell the factor, or what a block of images lost.
IMAGES = 16


def settle_scale(plan: Plan, before: Plan | None) -> Plan:
    """Return the plan with a number for ``--activation-scale auto``: that of the run before, else from the first images."""
    if plan.settings.get("activation_scale") != AUTO:
        return plan
    if before is not None:
        return plan.with_options(activation_scale=before.options.activation_scale)
    from filterscope.pipeline.methods.extraction.networks import first_views, open_network

    one = plan.with_options(activation_scale=1.0, device="cpu")
    peaks: list[float] = []
    for model in plan.models:
        network = open_network(one, model, tuple(layer.name for layer in model.layers))
        views = list(islice(first_views(one, model), IMAGES))
        if views:
            peaks += [peak(maps) for maps in network.exact(np.stack(views)).values()]
    return plan.with_options(activation_scale=scale_for(peaks))


def refuse_lost(
    network: "Network", model: str, maps: dict[str, np.ndarray], pixels: np.ndarray, seen: np.ndarray
) -> None:
    """Stop if most units of a layer that are not dead have no activation that float16 holds with all its digits.

    Where every second unit has one, which is seen at its first, nothing is computed.

    Parameters
    ----------
    network : Network
        The network.
    model : str
        Its name in the run.
    maps : dict of str to float16 ndarray of shape (views, units, h, w)
        What it gave, by layer.
    pixels : uint8 ndarray of shape (views, height, width, 3)
        The views.
    seen : bool ndarray of shape (views,)
        Those that were decoded.

    Raises
    ------
    RunError
        With the numbers that are lost, and the factor that keeps them.
    """
    from filterscope.operators.numerics.half import held

    faint = [layer for layer, found in maps.items() if 2 * held(found).sum() < found.shape[1]]
    if not faint or not seen.any():
        return
    exact = network.exact(pixels[seen][:IMAGES])
    for layer in faint:
        if counts := lost(exact[layer] * np.float32(network.scale)):
            values, zero, few = counts
            better = written(scale_for(map(peak, exact.values())))
            raise RunError(
                f"layer {layer!r} of {model} is too small for float16: of {values:,} activations that are not 0, {zero:,} "
                f"become 0 and {few:,} lose digits; rerun with --activation-scale {better}, or auto"
            )


__all__ = ["IMAGES", "refuse_lost", "settle_scale"]
