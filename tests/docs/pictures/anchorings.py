"""One row of a map, placed in two ways."""

import numpy as np

from filterscope.operators.dissection.anchoring import receptive_field_axis, resize_axis, upsample
from tests.docs.pictures.masks import MASK, iou_of
from tests.docs.pictures.svg import (
    BLUE,
    INK,
    ORANGE,
    SOFT,
    TEAL,
    Plot,
    Sheet,
)  # fmt: skip


def picture():
    """Draw one row of a map under both anchorings, and what that does to its mask."""
    row = np.array([0.3, 0.5, 0.9, 2.9, 2.2, 0.6, 0.4], np.float16)
    pixels = (np.arange(MASK) + 0.5) * 2 - 0.5
    kinds = (
        ("resize: half-pixel centres", resize_axis(7, MASK), 15.5, BLUE),
        ("receptive_field: field centres", receptive_field_axis(7, MASK, extent=224, centre=0, stride=32), 0.0, ORANGE),
    )  # fmt: skip
    label, level = (pixels > 88) & (pixels < 128), 1.6
    sheet = Sheet(760, 330, "One row of a map of 7 cells over 224 input pixels, placed in two ways")
    plot = Plot(sheet, (40, 40, 452, 150), (0, 223), (0, 3.2))
    ticks = [(v, str(v)) for v in (0, 32, 64, 96, 128, 160, 192, 223)]
    plot.axes(ticks, [], ("input pixel", "activation, interpolated between map positions"))
    sheet.line(40, plot.y(level), 492, plot.y(level), INK, 1.2, dash="5 3")
    sheet.text(488, plot.y(level) - 5, "T", at="end", bold=True)
    for at, (words, axis, first, colour) in enumerate(kinds):
        values = upsample(row[None], resize_axis(1, 1), axis)[0]
        sheet.lines(plot.points(pixels, values), colour, 2)
        for x, y in plot.points(first + 32 * np.arange(7), row.astype(float)):
            sheet.dot(x, y, fill=colour)
        mask, top = values > level, 250 + 24 * at
        inside = pixels[mask]
        sheet.box(plot.x(inside[0]), top, plot.x(inside[-1]) - plot.x(inside[0]), 14, fill=colour)
        sheet.text(512, top + 11, f"IoU {iou_of(mask, label):.2f}", colour=colour, bold=True)
        sheet.key(512, 60 + 26 * at, colour, words)
    inside = pixels[label]
    sheet.box(plot.x(inside[0]), 298, plot.x(inside[-1]) - plot.x(inside[0]), 14, fill=TEAL)
    sheet.text(512, 309, "annotated pixels", colour=TEAL)
    sheet.text(36, 243, "masks: above T", size=12, colour=SOFT)
    sheet.note(512, 118, "Same values, same T. At stride 32 the", "two lie 15.5 pixels apart, half a stride",
               "less half a pixel, so that the mask", "meets other pixels.")  # fmt: skip
    return sheet.svg()
