"""Planted filters: peaks of one, two or three patterns, each with a place of its own and a feature vector of its own."""

import numpy as np

from filterscope.operators.patterns.local_features import add_channels, normalised, signs

CHANNELS, CELLS, SIDE = 512, 14, 224
STRIDE = SIDE / CELLS
#: How far the peaks of a pattern scatter about its place; pixels.
SCATTER = 12.0


def planted_filter(patterns, peaks, seed, *, noise=0.0, anywhere=False):
    """Return places, features and true patterns of a filter's peaks.

    A pattern is a sparse vector of non-negative channels; `noise` is the length of what is added to it, another for each peak.
    With `anywhere`, all patterns lie anywhere in the view; without noise each keeps its place.
    """
    rng = np.random.default_rng([seed, patterns, peaks])
    kinds = rng.gamma(1.0, 1.0, (patterns, CHANNELS)) * (rng.random((patterns, CHANNELS)) < 0.3)
    true = np.arange(peaks) % patterns
    rng.shuffle(true)
    vectors = kinds[true] / np.linalg.norm(kinds[true], axis=1, keepdims=True)
    added = np.abs(rng.normal(size=vectors.shape))
    vectors = vectors + noise * added / np.linalg.norm(added, axis=1, keepdims=True) * rng.uniform(0.5, 1.5, (peaks, 1))
    home = rng.uniform(0.25, 0.75, (patterns, 2)) * SIDE
    place = home[true] + rng.normal(0, SCATTER, (peaks, 2)) * (noise > 0)
    if anywhere:
        place = rng.uniform(0, SIDE, (peaks, 2))
    cell = np.clip(place // STRIDE, 0, CELLS - 1)
    return (cell + 0.5) * STRIDE - 0.5, features_of(vectors), true


def features_of(vectors):
    """Project channel vectors (n, C) as stage `local-features` does."""
    matrix = signs(vectors.shape[1], 0)
    sums, squares = np.zeros((len(vectors), 1, matrix.shape[1]), np.float32), np.zeros((len(vectors), 1), np.float32)
    add_channels(sums, squares, vectors.astype(np.float16)[:, :, None, None], matrix)
    return normalised(sums, squares)[:, 0]
