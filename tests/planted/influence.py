"""Views of classes that are Gaussians, for heads."""

import numpy as np

from filterscope.operators.influence.head import Data


def gaussians(seed, n=200, features=5, classes=2, apart=1.0):
    """Return n views whose classes are Gaussians of unit variance about random centres, and their centres."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, features))
    centres *= apart * np.sqrt(features) / np.linalg.norm(centres, axis=1, keepdims=True)
    y = rng.permutation(np.arange(n) % classes)
    return Data.of(centres[y] + rng.normal(size=(n, features)), y, classes)
