"""Pictures from coefficients as sums of waves, and how alike they are, one value at a time."""

import math

import numpy as np

COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def painted(spectrum, height, width):
    """Return a picture (colours, height, width) from coefficients (2, colours, height, width // 2 + 1)."""
    colours = spectrum.shape[1]
    values = np.zeros((colours, height, width))
    for y in range(height):
        for x in range(width):
            for row in range(height):
                for column in range(width // 2 + 1):
                    fy = (row if row <= (height - 1) // 2 else row - height) / height
                    f = max(math.hypot(fy, column / width), 1 / max(height, width))
                    # a column and its mirror image; the first, and the last of an even width, are their own
                    twice = 1 if column == 0 or 2 * column == width else 2
                    angle = 2 * math.pi * (row * y / height + column * x / width)
                    for colour in range(colours):
                        real, imaginary = (float(part[colour, row, column]) for part in spectrum)
                        wave = real * math.cos(angle) - imaginary * math.sin(angle)
                        values[colour, y, x] += twice * wave * math.sqrt(height * width) / f / (height * width) / 4
    if colours == 3:
        largest = max(math.sqrt(sum(row[k] ** 2 for row in COLOURS)) for k in range(3))
        mixed = [sum(COLOURS[rgb][k] / largest * values[k] for k in range(3)) for rgb in range(3)]
        values = np.stack(mixed)
    return 1 / (1 + np.exp(-values))


def likeness(maps, pictures):
    """Return the mean cosine of the Gram matrix of each picture's maps (n, C, h, w) and those of its unit's other pictures."""
    found = []
    for number in range(len(maps)):
        first = number // pictures * pictures
        others = [k for k in range(first, first + pictures) if k != number]
        cosines = [_cosine(_gram(maps[number]), _gram(maps[k])) for k in others]
        found.append(sum(cosines) / len(cosines))
    return found


def _gram(maps):
    return [float((one * other).sum()) for one in maps for other in maps]


def _cosine(one, other):
    along = sum(a * b for a, b in zip(one, other, strict=True))
    return along / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))
