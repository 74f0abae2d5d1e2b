"""The scale that ``--activation-scale auto`` takes, and the guard against activations below the range of float16."""

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from filterscope.operators.numerics.scale import lost, peak, scale_for, vanished, written
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.run.options import AUTO
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.tables import table_path, write_table
from filterscope.schemas.results import TABLES

if TYPE_CHECKING:
    from filterscope.pipeline.models.network import Network

#: Images that tell the factor, or what a block of images lost.
IMAGES = 16
#: What `rejects` calls the stage of units that float16 makes 0.
FLOAT16 = "float16"


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


def tell_vanished(
    network: "Network", plan: Plan, model: str, maps: dict[str, np.ndarray], pixels: np.ndarray, seen: np.ndarray
) -> None:
    """Write into `rejects` which units of each layer are dead on the first views because float16 makes them 0.

    Nothing is computed where no unit is 0 on all of them. The other parameters are those of `refuse_lost`.
    """
    zero = {layer: not found[seen].any(axis=(0, 2, 3)).all() for layer, found in maps.items()}
    exact = network.exact(pixels[seen][:IMAGES]) if seen.any() and any(zero.values()) else {}
    for layer, found in maps.items():
        units = vanished(exact[layer] * np.float32(network.scale)) if zero[layer] and exact else ()
        rows = [
            {"stage": FLOAT16, "item": f"{model}/{layer}/{unit}", "reason": "its activations become 0 in float16"}
            for unit in units
            if not found[seen, unit].any()
        ]
        place = (model, layer, FLOAT16)
        if rows:
            write_table(plan.run, "rejects", place, [pa.Table.from_pylist(rows, schema=TABLES["rejects"])])
        else:
            table_path(plan.run, "rejects", place).unlink(missing_ok=True)


__all__ = ["FLOAT16", "IMAGES", "refuse_lost", "settle_scale", "tell_vanished"]
