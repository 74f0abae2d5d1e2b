"""Slow twins: every kernel written again from its formula, one value at a time."""

import math
from fractions import Fraction


def color_name(red: int, green: int, blue: int) -> str:
    """Name one colour by the table of `operators.colors`, in exact fractions."""
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
