"""Slow twins of the operators of codes, written from the formulas."""

import math
from collections import Counter

import numpy as np
from scipy import ndimage
from skimage import morphology, transform


def information(a, b):
    """Return the mutual information of two lists of labels, nats."""
    n, pairs, one, other = len(a), Counter(zip(a, b, strict=True)), Counter(a), Counter(b)
    return sum(c / n * math.log(c * n / (one[x] * other[y])) for (x, y), c in pairs.items())


def thinned(ink):
    """Thin by the rules of Zhang & Suen, a pixel at a time."""
    kept = np.pad(np.asarray(ink, bool), 1)
    while True:
        before = kept.sum()
        for phase in (0, 1):
            gone = []
            for y, x in np.argwhere(kept):
                ring = [kept[y + v, x + u] for v, u in
                        ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))]  # fmt: skip
                steps = sum(not ring[i] and ring[(i + 1) % 8] for i in range(8))
                p2, p4, p6, p8 = ring[0], ring[2], ring[4], ring[6]
                first = (p2 and p4 and p6) or (p4 and p6 and p8)
                second = (p2 and p4 and p8) or (p2 and p6 and p8)
                if 2 <= sum(ring) <= 6 and steps == 1 and not (first, second)[phase]:
                    gone.append((y, x))
            for place in gone:
                kept[place] = False
        if kept.sum() == before:
            return kept[1:-1, 1:-1]


def moments(image):
    """Return area, slant, width, height and centre of an image by the definition of second moments."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    area = image.sum()
    cx, cy = (image * x).sum() / area, (image * y).sum() / area
    xy, yy = (image * (x - cx) * (y - cy)).sum() / area, (image * (y - cy) ** 2).sum() / area
    width = math.sqrt((image * (x - cx - xy / yy * (y - cy)) ** 2).sum() / area)
    return area, math.atan(-xy / yy), width, math.sqrt(yy), cx, cy


def stroke(image, scale=4):
    """Return length and thickness on a skeleton at four times the resolution, then by the definitions of Morpho-MNIST.

    Length is that of links between neighbours, aslant by the root of 2; thickness twice the mean distance to the ground. The
    paper takes the medial axis, and counts corners as links aslant too.
    """
    large = transform.pyramid_expand(image, upscale=scale, order=3)
    axis, distance = morphology.medial_axis(large >= large.max() / 2, return_distance=True)
    line = morphology.skeletonize(large >= large.max() / 2)
    found = _length(line) / scale, 2 * distance[line].mean() / scale
    links = ndimage.correlate(axis.astype(float), [[0, 0, 0], [0, 0, 1], [2**0.5, 1, 2**0.5]], mode="constant")
    return *found, (links * axis).sum() / scale, 2 * distance[axis].mean() / scale


def _length(line):
    """Return the length of a line of pixels, no corner counted twice."""
    total = 0.0
    for y, x in np.argwhere(line):
        for v, u in ((0, 1), (1, 0), (1, 1), (1, -1)):
            if 0 <= x + u < line.shape[1] and y + v < line.shape[0] and line[y + v, x + u]:
                corner = v and u and (line[y + v, x] or line[y, x + u])
                total += 0 if corner else math.hypot(v, u)
    return total


def effect(factors, steps, scale):
    """Return effect, linearity and share of monotone images of one direction and factor; `factors` by image and step."""
    slopes, lines, monotone = [], [], []
    for values in factors:
        slope = np.polyfit(steps, values, 1)[0]
        slopes.append(slope / scale)
        if np.ptp(values) > 0:
            lines.append(np.corrcoef(steps, values)[0, 1] ** 2)
        monotone.append(all(np.diff(values) > 0) or all(np.diff(values) < 0))
    return np.mean(slopes), np.mean(lines), np.mean(monotone)
