"""Slow twins of colours, outlines and run lengths."""

import math
from fractions import Fraction

import numpy as np


def color_name(red: int, green: int, blue: int) -> str:
    """Name one colour by the table of `operators.images.colors`, in exact fractions."""
    value = max(red, green, blue)
    chroma = value - min(red, green, blue)
    saturation = Fraction(chroma, value) if value else Fraction(0)
    if chroma == 0:
        hue = 0
    elif red == value:
        hue = math.floor(Fraction(60 * (green - blue), chroma)) % 360
    elif green == value:
        hue = math.floor(120 + Fraction(60 * (blue - red), chroma))
    else:
        hue = math.floor(240 + Fraction(60 * (red - green), chroma))
    reddish, orangish = hue >= 345 or hue < 15, 15 <= hue < 45
    rows = (
        (value < 56, "black"),
        ((chroma < 34 or saturation < Fraction(15, 100)) and value >= 216, "white"),
        (chroma < 34 or saturation < Fraction(15, 100), "grey"),
        (reddish and value >= 176 and saturation < Fraction(55, 100), "pink"),
        (reddish and value < 176 and saturation < Fraction(75, 100), "brown"),
        (reddish, "red"),
        (orangish and saturation < Fraction(45, 100) and value < 232, "brown"),
        (orangish and saturation < Fraction(45, 100) and hue < 30, "pink"),
        (orangish and saturation < Fraction(45, 100), "yellow"),
        (orangish and value < 208, "brown"),
        (orangish, "orange"),
        (hue < 70 and value >= 160, "yellow"),
        (hue < 55, "brown"),
        (hue < 170, "green"),
        (hue < 255, "blue"),
        (hue >= 310 and value >= 176, "pink"),
    )
    return next((name for fits, name in rows if fits), "purple")


def inside(contours: list[list[tuple[int, int]]], x: int, y: int) -> bool:
    """Tell whether a point lies inside closed contours: a ray to the left crosses their borders an odd number of times."""
    crossed = 0
    for contour in contours:
        for (x0, y0), (x1, y1) in zip(contour, [*contour[1:], contour[0]], strict=True):
            if (y0 <= y) != (y1 <= y) and x0 + Fraction((y - y0) * (x1 - x0), y1 - y0) <= x:
                crossed += 1
    return crossed % 2 == 1


def inside_polygons(polygons, rows, columns):
    """Whether each pixel's centre lies inside by the even-odd rule: count the edges to its right, one by one."""
    inside = np.zeros((rows, columns), bool)
    for row in range(rows):
        for column in range(columns):
            x, y, crossed = (column + 0.5) / columns, (row + 0.5) / rows, 0
            for polygon in polygons:
                for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
                    if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                        crossed += 1
            inside[row, column] = crossed % 2 == 1
    return inside


def shares_alike(windows):
    """Shares of near thumbnails that look alike, None where too few: lists of windows of images, each a list of numbers."""

    def correlation(one, other):
        a, b = sum(one) / len(one), sum(other) / len(other)
        spreads = [math.sqrt(sum((v - mean) ** 2 for v in image)) for image, mean in ((one, a), (other, b))]
        if min(spreads) < math.sqrt(len(one)):  # a standard deviation below 1 grey level
            return None
        return sum((v - a) * (w - b) for v, w in zip(one, other, strict=True)) / math.prod(spreads)

    far = [
        correlation(one, other)
        for first, window in enumerate(windows)
        for later in windows[first + 1 :]
        for one in window
        for other in later
    ]
    far = sorted(value for value in far if value is not None)
    if len(far) < 20:
        return [None] * (len(windows[0]) - 1)
    place = 0.99 * (len(far) - 1)
    low, high = far[math.floor(place)], far[math.ceil(place)]
    bar = min(max(low + (place - math.floor(place)) * (high - low), 0.4), 0.9) - 1e-9
    shares = []
    for lag in range(1, len(windows[0])):
        near = [correlation(window[i], window[i + lag]) for window in windows for i in range(len(window) - lag)]
        near = [value for value in near if value is not None]
        shares.append(sum(value >= bar for value in near) / len(near) if len(near) >= 20 else None)
    return shares
