"""Three views of a part beside the mask of a unit."""

import numpy as np

from filterscope.operators.dissection.masks import unpack
from filterscope.operators.dissection.part_interpretability import PART_IOU
from filterscope.operators.dissection.survey_masks import field_span, survey_pixels
from filterscope.operators.dissection.tally import half_values
from filterscope.operators.images.outline import outline
from tests.docs.pictures.svg import (
    BLUE,
    GREEN,
    ORANGE,
    PALE,
    RED,
    RULE,
    Sheet,
)  # fmt: skip

#: Side of the views, in pixels.
SIDE = 224


def picture():
    """Draw three views of a part with the survey's mask of a unit, and which of them match."""
    span = field_span(7, 112, extent=SIDE, centre=15.5, stride=32, size=75)
    boxes = ((20, 30, 40, 40), (44, 58, 36, 42), (60, 16, 34, 34))
    peaks = (((1, 2), (2, 2)), ((3, 4),), ((1, 5),))
    maps = np.zeros((3, 1, 7, 7), np.float16)
    for view, cells in enumerate(peaks):
        for cell in cells:
            maps[view, 0][cell] = 3
    drawn = survey_pixels(
        maps, maps.max((2, 3)).astype(np.float32), np.array([1], np.float32), span, span, half_values()
    )
    active = unpack(drawn.words, 112)
    sheet = Sheet(760, 252, "Part interpretability: on each view, does the unit's mask meet the part?")
    matched = 0
    for view, (top, left, high, wide) in enumerate(boxes):
        part = np.zeros((112, 112), bool)
        part[top : top + high, left : left + wide] = True
        iou = np.count_nonzero(part & active[view]) / np.count_nonzero(part | active[view])
        at, matched = 16 + view * 180, matched + (iou > float(PART_IOU))
        sheet.text(at, 30, f"view {view + 1}", bold=True)
        sheet.box(at, 42, 160, 160, fill=PALE, stroke=RULE)
        sheet.region(outline(active[view].astype(float), 0.5), at, 42, 160, fill=BLUE, opacity=0.35, stroke=BLUE)
        scale = 160 / 112
        sheet.box(at + left * scale, 42 + top * scale, wide * scale, high * scale, stroke=ORANGE, line=2)
        for row, column in peaks[view]:
            sheet.dot(at + (15.5 + 32 * column) / SIDE * 160, 42 + (15.5 + 32 * row) / SIDE * 160, 3, fill=BLUE)
        verdict = "met" if iou > float(PART_IOU) else "not met"
        sheet.text(at, 224, f"IoU {iou:.2f}: {verdict}", bold=True, colour=GREEN if iou > float(PART_IOU) else RED)
    sheet.key(570, 58, ORANGE, "the part", hollow=True)
    sheet.key(570, 82, BLUE, "mask: receptive fields")
    sheet.note(586, 98, "of the positions above T", size=12)
    sheet.text(570, 150, f"P(f,k) = {matched}/3 = {matched / 3:.2f}", bold=True, size=16)
    sheet.note(570, 174, "the share of the views", f"with IoU above {float(PART_IOU)}")
    return sheet.svg()
