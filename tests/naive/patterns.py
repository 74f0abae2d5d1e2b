"""Slow twin of the projected channel vectors, from the definition."""

import numpy as np


def projected(maps, matrix):
    """Return the normalised channel vectors of maps (n, C, height, width), projected: (n, height * width, d)."""
    vectors = maps.reshape(*maps.shape[:2], -1).transpose(0, 2, 1).astype(float)
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0) @ matrix.astype(float)
