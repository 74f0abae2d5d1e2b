"""The 11 basic colours of a photograph, pixel by pixel.

The rule is ours, in whole numbers, so that every machine names every pixel alike. With V = max(R, G, B),
C = V - min(R, G, B), saturation S = C / V, hue H = whole degrees (floor) of the RGB hexagon, the first
row that fits names the colour:

==========  =================  ================================================
H           condition          colour
==========  =================  ================================================
any         V < 56             black
any         C < 34 or S < .15  white if V >= 216, else grey
345 to 15   V >= 176           pink if S < .55, else red
345 to 15   V < 176            brown if S < .75, else red
15 to 45    S < .45            brown if V < 232, else pink (H < 30) or yellow
15 to 45    S >= .45           brown if V < 208, else orange
45 to 70                       yellow if V >= 160, else brown (H < 55) or green
70 to 170                      green
170 to 255                     blue
255 to 345                     pink if H >= 310 and V >= 176, else purple
==========  =================  ================================================
"""

import numpy as np
from numba import njit

#: The basic colour terms of English, in order of name.
COLORS = ("black", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow")

_BLACK, _BLUE, _BROWN, _GREEN, _GREY, _ORANGE, _PINK, _PURPLE, _RED, _WHITE, _YELLOW = range(11)


@njit(cache=True, nogil=True)
def _name_chromatic(hue: int, chroma: int, value: int) -> int:
    if hue < 15 or hue >= 345:
        if value >= 176:
            return _PINK if 20 * chroma < 11 * value else _RED
        return _BROWN if 4 * chroma < 3 * value else _RED
    if hue < 45:
        if 20 * chroma < 9 * value:
            return _BROWN if value < 232 else _PINK if hue < 30 else _YELLOW
        return _BROWN if value < 208 else _ORANGE
    if hue < 70:
        return _YELLOW if value >= 160 else _BROWN if hue < 55 else _GREEN
    if hue < 170:
        return _GREEN
    if hue < 255:
        return _BLUE
    return _PINK if hue >= 310 and value >= 176 else _PURPLE


@njit(cache=True, nogil=True)
def _name(red: int, green: int, blue: int) -> int:
    value = max(red, green, blue)
    chroma = value - min(red, green, blue)
    if value < 56:
        return _BLACK
    if chroma < 34 or 20 * chroma < 3 * value:
        return _WHITE if value >= 216 else _GREY
    if value == red:
        hue = 60 * (green - blue) // chroma % 360
    elif value == green:
        hue = 120 + 60 * (blue - red) // chroma
    else:
        hue = 240 + 60 * (red - green) // chroma
    name: int = _name_chromatic(hue, chroma, value)
    return name


@njit(cache=True, nogil=True)
def _name_pixels(rgb: np.ndarray, out: np.ndarray) -> None:
    for i in range(rgb.shape[0]):
        for j in range(rgb.shape[1]):
            out[i, j] = _name(np.int32(rgb[i, j, 0]), np.int32(rgb[i, j, 1]), np.int32(rgb[i, j, 2]))


def name_colors(rgb: np.ndarray) -> np.ndarray:
    """Name the colour of every pixel.

    Parameters
    ----------
    rgb : ndarray of shape (H, W, 3), uint8
        Red, green, blue as stored (sRGB).

    Returns
    -------
    ndarray of shape (H, W), uint8
        Index into `COLORS`.

    Raises
    ------
    ValueError
        If the array has another shape or type.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected uint8 of shape (H, W, 3), got {rgb.dtype} of shape {rgb.shape}")
    out = np.empty(rgb.shape[:2], np.uint8)
    _name_pixels(rgb, out)
    return out
