"""Slow twins of biased representations, written from the formulas one value at a time."""

import math

import numpy as np


def masked(gradient, product, mask):
    """Return a gradient (list of numbers) with 0 where its product with the map is not among those that count."""
    if mask == "none":
        return list(gradient)
    sizes = sorted((abs(value) for value in product), reverse=True)
    if mask == "share":
        limit = sizes[math.ceil(0.02 * len(sizes)) - 1]
    else:
        total, held, limit = sum(sizes), 0.0, 0.0
        for size in sizes:
            held, limit = held + size, size
            if held >= 0.9 * total:
                break
    return [g if abs(p) >= limit and p != 0 else 0.0 for g, p in zip(gradient, product, strict=True)]


def cosine(one, other):
    """Return the cosine of two vectors, NaN where one is 0."""
    dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
    length = math.sqrt(math.fsum(a * a for a in one)) * math.sqrt(math.fsum(b * b for b in other))
    return dot / length if length else math.nan


def divergence(mean, deviation, other, spread):
    """Return KL(N(mean, deviation^2) || N(other, spread^2)) by integration."""
    grid = np.linspace(mean - 12 * deviation, mean + 12 * deviation, 200_001)

    def log_density(at, middle, sigma):
        return -0.5 * ((at - middle) / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi))

    p = log_density(grid, mean, deviation)
    return float(np.trapezoid(np.exp(p) * (p - log_density(grid, other, spread)), grid))


def information(one, other):
    """Return H(one) - H(one | other) in bits from two lists of 0 and 1."""
    pairs, found = list(zip(one, other, strict=True)), 0.0
    for a in (0, 1):
        for b in (0, 1):
            both = pairs.count((a, b)) / len(pairs)
            if both:
                found += both * math.log2(both / (one.count(a) / len(one) * other.count(b) / len(other)))
    return found


def pasted(pixels, region, donor, shift):
    """Paste a region of another image, fading over two pixels inside its edge, one pixel at a time."""
    height, width = region.shape
    outside = [(r, c) for r in range(height) for c in range(width) if not region[r, c]]
    found = pixels.copy()
    for row in range(height):
        for column in range(width):
            if region[row, column]:
                near = min(math.hypot(row - r, column - c) for r, c in outside)
                weight = min(near / 2.0, 1.0)
                there = min(max(row + shift[0], 0), height - 1), min(max(column + shift[1], 0), width - 1)
                mixed = pixels[row, column] * (1 - weight) + donor[there] * weight
                found[row, column] = np.rint(mixed)
    return found
