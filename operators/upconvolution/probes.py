"""Features that were damaged on purpose: what an inversion loses tells what it was made of."""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]

#: Values that `top` leaves.
TOP = 5


def _as_long(features: Features, of: Features) -> Features:
    """Scale features (n, ...) to the Euclidean length of others; those of length 0 stay."""
    axes = tuple(range(1, features.ndim))
    own, wanted = (np.sqrt(np.square(some.astype(np.float64)).sum(axis=axes, keepdims=True)) for some in (features, of))
    return (features * np.where(own > 0, wanted / np.where(own > 0, own, 1.0), 1.0)).astype(np.float32)


def binary(features: Features) -> Features:
    """Return the signs alone, all of one size, so that the length stays; features have the shape (n, C, h, w)."""
    return _as_long(np.sign(features), features)


def dropped(features: Features, share: float, seed: int) -> Features:
    """Return features of which a random share is 0, scaled to their length; every image loses others."""
    kept = np.random.default_rng(seed).random(features.shape) >= share
    return _as_long(features * kept, features)


def top(features: Features, *, others: bool = False) -> Features:
    """Return the `TOP` largest values of each image, the others 0; or the others alone. The length is not kept."""
    flat = features.reshape(len(features), -1)
    order = np.argsort(-flat, axis=1, kind="stable")[:, :TOP]
    chosen = np.zeros(flat.shape, bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return np.where(chosen != others, flat, 0).reshape(features.shape).astype(np.float32)


def probes(features: Features, seed: int) -> dict[str, Features]:
    """Return the features damaged in every way, by name; the largest alone where there is one value a unit.

    References
    ----------
    Dosovitskiy & Brox 2016, section 5: binary and dropped features, and the five largest class scores.
    """
    found = {"binary": binary(features)}
    found |= {f"dropped {share:.0%}": dropped(features, share, seed + place)
              for place, share in enumerate((0.25, 0.5, 0.75))}  # fmt: skip
    if features.shape[2:] == (1, 1) and features.shape[1] > TOP:
        found |= {"largest 5": top(features), "all but 5": top(features, others=True)}
    return found


__all__ = ["TOP", "binary", "dropped", "probes", "top"]
