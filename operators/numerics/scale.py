"""The factor that brings activations into the range of float16, and what is lost below that range.

Float16 holds 2^-14 to 2^16 with 11 binary digits, fewer digits down to 2^-24, and nothing below. A network whose numbers
are smaller than that would have dead units only, or thresholds of a few digits, without a word.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

#: Exponents of two that a scale may have: they bring the largest float32 to the end of float16, the smallest to 1/2.
SCALES = (-112, 125)
#: Smallest number that float16 holds with all its digits, and half of the smallest that it holds at all.
NORMAL, _NOTHING = 2.0**-14, 2.0**-25
#: Where the strongest activations of layers lie that need no factor, and above which no factor brings them.
_SOUND, _CEILING = (2.0**-6, 2.0**10), 2.0**12


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


def peak(maps: NDArray[np.floating]) -> float:
    """Return the largest finite magnitude of maps of any shape; 0 where there is none."""
    return float(np.abs(maps).max(initial=0, where=np.isfinite(maps)))


def lost(exact: NDArray[np.floating]) -> tuple[int, int, int] | None:
    """Count what float16 loses of the maps of a layer, if that is all there is of most of its units that are not dead.

    Parameters
    ----------
    exact : floating ndarray of shape (views, units, h, w)
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
    values, kept, whole = (int(np.count_nonzero(sizes > least)) for least in (0, _NOTHING, np.nextafter(NORMAL, 0)))
    return values, values - kept, kept - whole


def vanished(exact: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the units, int64, of maps as `lost` takes them that are 0 everywhere in float16 and nowhere else."""
    highest = np.abs(exact).max(axis=(0, 2, 3))
    return np.flatnonzero((highest > 0) & (highest <= _NOTHING))


def written(scale: float) -> str:
    """Return a power of two as a person states it."""
    return f"2^{math.frexp(scale)[1] - 1}"


__all__ = ["NORMAL", "SCALES", "lost", "peak", "scale_for", "vanished", "written"]
