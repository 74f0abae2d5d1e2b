"""One scale for the maps of an attribute: a high quantile of their magnitudes over all images, from mergeable counts."""

import numpy as np
from numpy.typing import NDArray

#: Part of the magnitudes that lies below the end of the scale.
QUANTILE = 0.995


def magnitudes(values: NDArray[np.float32]) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Return the magnitudes that occur among finite values as the upper 16 bits of float32, ascending, and how often.

    These keep magnitudes to 1/128; counts of blocks are merged by `merged`.
    """
    keys, counts = np.unique(np.abs(values.astype(np.float32)).ravel().view(np.uint32) >> 16, return_counts=True)
    return keys.astype(np.uint16), counts.astype(np.int64)


def merged(parts: "list[tuple[NDArray[np.uint16], NDArray[np.int64]]]") -> NDArray[np.int64]:
    """Return the counts of all parts, of shape (65536,)."""
    found = np.zeros(1 << 16, np.int64)
    for keys, counts in parts:
        np.add.at(found, keys, counts)
    return found


def quantile(counts: NDArray[np.int64], part: float = QUANTILE) -> float:
    """Return the magnitude below which, or at which, a part of all lies, rounded up by at most 1/128; 0 where there is none."""
    total = int(counts.sum())
    if not total:
        return 0.0
    key = int(np.searchsorted(np.cumsum(counts), np.ceil(part * total)))
    return float(np.array([(key + 1 << 16) - 1 if key else 0], np.uint32).view(np.float32)[0])


__all__ = ["QUANTILE", "magnitudes", "merged", "quantile"]
