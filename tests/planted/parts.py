"""Planted parts: maps of filters that each mix two of three parts of an object which moves over the crop, and noise."""

from dataclasses import dataclass

import numpy as np

EXTENT = (224, 224)
PARTS = np.array([[70.0, 80.0], [110.0, 150.0], [155.0, 85.0]])
#: How far the object and, beside it, each part moves; pixels.
OBJECT, PART = 16.0, 2.5


@dataclass(frozen=True)
class PlantedLayer:
    """Maps (I, C, n, n) of filters; filter c fires on `mixes[c]` (parts), and `noisy` ones on nothing."""

    maps: np.ndarray
    mixes: list[tuple[int, ...]]
    centre: tuple[float, float]
    stride: tuple[float, float]


def planted_parts(images, seed, wander=OBJECT):
    """Return where the three parts are on each image: (I, 3, 2), y and x in pixels; the object moves by `wander`."""
    rng = np.random.default_rng([seed, 1])
    moved = PARTS + rng.normal(0, wander, (images, 1, 2)) + rng.normal(0, PART, (images, 3, 2))
    return np.clip(moved, 8, 215)


def planted_layer(parts, cells, filters, noisy, seed, *, peaks=3, mixed=2):
    """Draw a layer of `filters` filters that mix two parts and one noisy peak, and `noisy` ones of three noisy peaks.

    With two `peaks` in all, filters of parts have no noise. With one part `mixed`, each filter has one part.
    """
    rng = np.random.default_rng([seed, cells])
    stride = 224 / cells
    centre = stride / 2 - 0.5
    places = centre + np.arange(cells) * stride
    mixes = [tuple(sorted((c + more) % 3 for more in range(mixed))) for c in range(filters)] + [()] * noisy
    maps = np.zeros((len(parts), len(mixes), cells, cells))
    for image in range(len(parts)):
        for unit, mix in enumerate(mixes):
            places_of = [parts[image, part] for part in mix]
            places_of += list(rng.uniform(0, 224, (peaks - len(mix), 2)))
            for peak in places_of:
                wide = 0.7 * stride
                bump = np.exp(-((places[:, None] - peak[0]) ** 2 + (places[None] - peak[1]) ** 2) / (2 * wide**2))
                maps[image, unit] += rng.uniform(0.6, 1.4) * bump
    maps = np.where(maps > 0.05, maps, -0.1)
    return PlantedLayer(maps.astype(np.float16), mixes, (centre, centre), (stride, stride))
