"""Slow twins of where a unit looks: location instability, occluded fields."""

import math

import numpy as np


def location_instability(
    position: np.ndarray, landmark: np.ndarray, extent: tuple[int, int], *, fewest: int, unbiased: bool
) -> tuple[float, float]:
    """Location instability and tracking of one unit from the survey's definition, given (y, x) of n inferences and landmarks.

    Images without a landmark (NaN) are dropped.
    """
    pairs = [(p, k) for p, k in zip(position.tolist(), landmark.tolist(), strict=True) if not math.isnan(k[0])]
    n = len(pairs)
    if n < fewest:
        return math.nan, math.nan
    d = [math.dist(p, k) / math.hypot(*extent) for p, k in pairs]
    deviation = math.sqrt(sum((x - sum(d) / n) ** 2 for x in d) / (n - 1))
    if unbiased:
        deviation /= math.sqrt(2 / (n - 1)) * math.gamma(n / 2) / math.gamma((n - 1) / 2)
    difference = np.array([[k[0] - p[0], k[1] - p[1]] for p, k in pairs])
    moved = np.trace(np.cov(np.array([k for _, k in pairs]).T))
    return deviation, 1 - np.trace(np.cov(difference.T)) / moved if moved else math.nan


def displacement(position: np.ndarray, landmark: np.ndarray, extent: tuple[int, int]) -> tuple[float, float]:
    """Deviation of the vector to the landmark in diagonals, and that of a constant position; NaN landmarks are dropped."""
    seen = [(p, k) for p, k in zip(position.tolist(), landmark.tolist(), strict=True) if not math.isnan(k[0])]

    def deviation(vectors: list[tuple[float, float]]) -> float:
        n = len(vectors)
        mean = [sum(axis) / n for axis in zip(*vectors, strict=True)]
        squares = sum((y - mean[0]) ** 2 + (x - mean[1]) ** 2 for y, x in vectors)
        return math.sqrt(squares / (n - 1)) / math.hypot(*extent)

    return deviation([(k[0] - p[0], k[1] - p[1]) for p, k in seen]), deviation([tuple(k) for _, k in seen])


def follows_shift(moved: list, content: list, images: list, fewest: int) -> tuple[float, float]:
    """How far a unit moves over how far the content does, and its standard error over images; NaN moves are dropped."""
    pairs = [(m, c, i) for m, c, i in zip(moved, content, images, strict=True) if not math.isnan(m[0])]
    if len(pairs) < fewest:
        return math.nan, math.nan
    total = sum(c[0] ** 2 + c[1] ** 2 for _, c, _ in pairs)
    slope = sum(m[0] * c[0] + m[1] * c[1] for m, c, _ in pairs) / total
    residual: dict[int, float] = {}
    for m, c, image in pairs:
        rest = [m[axis] - slope * c[axis] for axis in (0, 1)]
        residual[image] = residual.get(image, 0.0) + rest[0] * c[0] + rest[1] * c[1]
    return slope, math.sqrt(sum(value**2 for value in residual.values())) / total


def empirical_field(
    drops: np.ndarray, extent: tuple[int, int], side: int, step: int, centres: np.ndarray, threshold: float
) -> tuple[int, float, float] | None:
    """Area and centroid minus centre of what occlusion finds, pixel by pixel; centres are whole numbers."""
    corners = [
        (top, left) for top in range(0, extent[0] - side + 1, step) for left in range(0, extent[1] - side + 1, step)
    ]
    means = {}
    for dy in range(-2 * extent[0], 2 * extent[0]):
        for dx in range(-2 * extent[1], 2 * extent[1]):
            seen = []
            for values, centre in zip(drops, centres, strict=True):
                y, x = centre[0] + dy, centre[1] + dx
                over = [
                    value
                    for value, (top, left) in zip(values, corners, strict=True)
                    if top <= y < top + side and left <= x < left + side
                ]
                if over and 0 <= y < extent[0] and 0 <= x < extent[1]:
                    seen.append(sum(over) / len(over))
            if 2 * len(seen) >= len(drops):
                means[dy, dx] = sum(seen) / len(seen)
    largest = max(means.values(), default=0)
    if not largest > 0:
        return None
    field = {place: value for place, value in means.items() if value >= threshold * largest}
    total = sum(field.values())
    return (
        len(field),
        sum(dy * value for (dy, _), value in field.items()) / total,
        sum(dx * value for (_, dx), value in field.items()) / total,
    )


def effective_field(mass):
    """Return bounds of the two radii, the centroid and the ratio of the axes of a field, pixel by pixel; None without mass."""
    cells = [(y, x, float(value)) for y, row in enumerate(mass) for x, value in enumerate(row)]
    total = sum(value for *_, value in cells)
    if not total > 0:
        return None
    y0, x0 = (sum(cell[axis] * cell[2] for cell in cells) / total for axis in (0, 1))
    rings = sorted((((y - y0) ** 2 + (x - x0) ** 2) ** 0.5, value) for y, x, value in cells)
    radii = []
    for share in (0.68, 0.95):
        bounds = []
        for slack in (-1e-9, 1e-9):
            held = 0.0
            for radius, value in rings:  # noqa: B007
                held += value
                if held >= (share + slack) * total:
                    break
            bounds.append(radius)
        radii.append(tuple(bounds))
    moments = np.full((2, 2), 0.0)
    for y, x, value in cells:
        moments += value / total * np.outer((y - y0, x - x0), (y - y0, x - x0))
    low, high = np.linalg.eigvalsh(moments + np.eye(2) / 12)
    return radii, (y0, x0), (high / low) ** 0.5
