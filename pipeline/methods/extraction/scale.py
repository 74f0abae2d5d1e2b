"""The factor that brings activations into the range of float16, and the guard against what is lost below it.

Float16 holds 2^-14 to 2^16 with 11 binary digits, fewer digits down to 2^-24, and nothing below. A network whose numbers
are smaller than that would have dead units only, or thresholds of a few digits, without a word.
"""

import math
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.run.options import AUTO, SCALES
from filterscope.pipeline.run.plan import Plan

if TYPE_CHECKING:
    from filterscope.pipeline.models.network import Network

#: Smallest number that float16 holds with all its digits, and half of the smallest that it holds at all.
NORMAL, NOTHING = 2.0**-14, 2.0**-25
#: Where the strongest activations of layers lie that need no factor, and above which no factor brings them.
_SOUND, _CEILING = (2.0**-6, 2.0**10), 2.0**12
#: Images that tell the factor, or what a block of images lost.
IMAGES = 16


def scale_for(peaks: Iterable[float]) -> float:
    """Return a power of two that brings activations into the range of float16.

    Parameters
    ----------
    peaks : iterable of float
        Largest magnitude of each layer on some images; those that are 0 or not finite tell nothing.

    Returns
    -------
    float
        1 where all layers are in range as they are. Else the strongest layer ends at most at 4096, a sixteenth of what float16
        holds, since other images may move it more.
    """
    known = [peak for peak in peaks if 0 < peak < math.inf]
    if not known or (_SOUND[0] <= min(known) and max(known) <= _SOUND[1]):
        return 1.0
    middle = (math.log2(min(known)) + math.log2(max(known))) / 2
    exponent = min(2 - round(middle), math.floor(math.log2(_CEILING) - math.log2(max(known))))
    return 2.0 ** min(max(exponent, SCALES[0]), SCALES[1])


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


def peak(maps: np.ndarray) -> float:
    """Return the largest magnitude that is finite."""
    return float(np.abs(maps).max(initial=0, where=np.isfinite(maps)))


def lost(exact: np.ndarray) -> tuple[int, int, int] | None:
    """Count what float16 loses of the maps of a layer, if that is all there is of most of its units that are not dead.

    Parameters
    ----------
    exact : ndarray of shape (views, units, h, w)
        Its maps before they become float16.

    Returns
    -------
    (int, int, int), optional
        Activations that are not 0; those of them that become 0; those that lose digits.
    """
    sizes = np.abs(exact)
    highest = sizes.max(axis=(0, 2, 3))
    if 2 * np.count_nonzero((highest > 0) & (highest < NORMAL)) <= np.count_nonzero(highest):
        return None
    values, kept, whole = (int(np.count_nonzero(sizes > least)) for least in (0, NOTHING, np.nextafter(NORMAL, 0)))
    return values, values - kept, kept - whole


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


def written(scale: float) -> str:
    """Return a power of two as a person states it."""
    return f"2^{math.frexp(scale)[1] - 1}"


__all__ = ["IMAGES", "lost", "peak", "refuse_lost", "scale_for", "settle_scale", "written"]
