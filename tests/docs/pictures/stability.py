"""The mask of a unit at four quantiles, and the label that it gets there."""

import numpy as np
from scipy.ndimage import gaussian_filter

from filterscope.operators.dissection.anchoring import resize_axis, upsample
from filterscope.operators.images.outline import map_outline, outline
from tests.docs.pictures.masks import MASK, iou_of, threshold_of
from tests.docs.pictures.svg import (
    BLUE,
    ORANGE,
    PALE,
    RULE,
    SOFT,
    TEAL,
    Plot,
    Sheet,
)  # fmt: skip


def wheels():
    """Return masks of wheels and of cars (n, 112, 112) and 14 x 14 maps of a unit: strong on wheels, weaker on cars."""
    rng, y, x = np.random.default_rng(5), *np.mgrid[:MASK, :MASK]
    wheel, car = np.zeros((2, 30, MASK, MASK), bool)
    for image in range(30):
        top, left = rng.integers(20, 60), rng.integers(4, 50)
        car[image] = (abs(y - top - 14) <= 14) & (abs(x - left - 27) <= 27)
        for hub in (left + 11, left + 43):
            wheel[image] |= np.hypot(y - top - 28, x - hub) < 8
        car[image] |= wheel[image]
    few = np.arange(30) % 6 != 1
    wheel[few], car[few] = False, False
    cover = [gaussian_filter(mask.reshape(30, 14, 8, 14, 8).mean((2, 4)), (0, 0.6, 0.6)) for mask in (wheel, car)]
    gain = rng.uniform(0.7, 1.0, (30, 1, 1)) + 0.7 * (np.arange(30) == 1)[:, None, None]
    return (
        wheel,
        car,
        (gain * (3.2 * cover[0] + 1.1 * cover[1]) + rng.gamma(1.0, 0.07, (30, 14, 14))).astype(np.float16),
    )


def picture():
    """Draw the mask of a unit at four quantiles, and its IoU with two concepts there."""
    wheel, car, maps = wheels()
    axis, quantiles = resize_axis(14, MASK), (0.001, 0.005, 0.01, 0.05)
    high = upsample(maps, axis, axis)
    sheet = Sheet(760, 258, "The mask of a unit at four quantiles of its activations, and which concept fits it best")
    curves = []
    for column, quantile in enumerate(quantiles):
        level, left = threshold_of(maps, quantile), 16 + column * 116
        ious = [iou_of(high > level, mask) for mask in (wheel, car)]
        curves.append(ious)
        sheet.text(left, 30, f"quantile {quantile}", bold=True)
        sheet.box(left, 42, 104, 104, fill=PALE)
        sheet.region(outline(car[1].astype(float), 0.5), left, 42, 104, fill=RULE)
        sheet.region(outline(wheel[1].astype(float), 0.5), left, 42, 104, fill=SOFT, opacity=0.6)
        sheet.region(map_outline(maps[1], level, axis, axis), left, 42, 104, fill=BLUE, opacity=0.35, stroke=BLUE)
        best = int(np.argmax(ious))
        sheet.note(left, 166, f"T = {level:.2f}", colour=SOFT)
        sheet.text(left, 184, ("wheel", "car")[best], bold=True, colour=(ORANGE, TEAL)[best])
        sheet.text(left + 48, 184, f"IoU {ious[best]:.2f}", size=12)
    plot = Plot(sheet, (520, 46, 170, 130), (-3.1, -1.2), (0, 0.8))
    ticks = [(np.log10(q), str(q).lstrip("0")) for q in quantiles]
    plot.axes(ticks, [(v, f"{v:g}") for v in (0, 0.2, 0.4, 0.6, 0.8)], ("quantile", "IoU on 30 planted images"))
    for at, (colour, words) in enumerate(((ORANGE, "wheel"), (TEAL, "car"))):
        places = plot.points(np.log10(quantiles), [ious[at] for ious in curves])
        sheet.lines(places, colour, 2)
        for x, y in places:
            sheet.dot(x, y, fill=colour)
        sheet.text(places[-1][0] + 8, places[-1][1] + 4, words, size=12, colour=colour)
    sheet.note(16, 222, "A lower T lets weaker activations in: the mask grows from wheels to car, the label changes.",
               "A label worth its name is the same at several quantiles.")  # fmt: skip
    return sheet.svg()
