"""Maps and labels of all kinds, drawn by seed: ties, zeros, overlapping masks, whole images, images without labels."""

import numpy as np

from filterscope.operators.dissection.activated import activated_pixels
from filterscope.operators.dissection.anchoring import resize_axis
from filterscope.operators.dissection.tally import half_values

#: How activations may be distributed.
VALUES = {
    "spread": lambda rng, shape: rng.standard_normal(shape),
    "rectified": lambda rng, shape: np.maximum(rng.standard_normal(shape) - 0.5, 0),
    "tied": lambda rng, shape: rng.choice([0.0, 1.0, 6.0], shape, p=[0.6, 0.2, 0.2]),
    "zero": lambda rng, shape: np.zeros(shape),
    "negative": lambda rng, shape: -1 - np.abs(rng.standard_normal(shape)),
}


def draw_labels(rng, images, concepts, shape):
    """Masks of all kinds: pixels, overlapping, whole images, and images without any."""
    labels = []
    for _ in range(images):
        image = {}
        for concept in rng.choice(concepts, rng.integers(0, concepts + 1), replace=False):
            kind = rng.integers(4)
            mask = rng.random(shape) < (0.1, 0.5, 0.9, 0.0)[kind]
            image[int(concept)] = None if kind == 0 and rng.random() < 0.5 else mask
        labels.append(image)
    return labels


def draw_ignored(rng, images, category, shape):
    """Ignored regions of all kinds, of concepts and of categories, numbered as `operators.dissection.masks` does."""
    regions = []
    for _ in range(images):
        numbers = np.flatnonzero(rng.random(2 * len(category) + max(category) + 1) < 0.4)
        numbers = numbers[numbers >= len(category)].tolist()
        kinds = rng.integers(5, size=len(numbers))
        shares = [(0.1, 0.5, 0.9, 0.0, 1.0)[kind] for kind in kinds]
        masks = [rng.random(shape) < share for share in shares]
        regions.append(
            {n: None if s == 1 and n % 2 else mask for n, s, mask in zip(numbers, shares, masks, strict=True)}
        )
    return regions


def ignored_of(region, category, shape):
    """Pixels ignored for each concept, from the regions of one view: its own and its category's."""
    found, count = {}, len(category)
    for concept in range(count):
        numbers = count + concept, 2 * count + category[concept]
        masks = [np.ones(shape, bool) if region[n] is None else region[n] for n in numbers if n in region]
        if masks:
            found[concept] = np.logical_or.reduce(masks)
    return found


def drawn_of(maps, threshold, shape):
    """Activated pixels, and the axes they were drawn on."""
    axes = resize_axis(maps.shape[2], shape[0]), resize_axis(maps.shape[3], shape[1])
    return activated_pixels(maps, maps.max(axis=(2, 3)).astype(np.float32), threshold, *axes, half_values()), axes
