"""How dissection turns the map of a unit into a mask, and the mask into an IoU."""

import numpy as np

from filterscope.operators.dissection.anchoring import resize_axis, upsample
from filterscope.operators.dissection.masks import sample_positions
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.images.outline import map_outline, outline
from filterscope.pipeline.datasets.sample.annotations import label_masks
from filterscope.pipeline.datasets.sample.draw import draw_image
from tests.docs.pictures.masks import MASK, iou_of, threshold_of
from tests.docs.pictures.svg import (
    BLUE,
    ORANGE,
    PALE,
    RULE,
    Sheet,
)  # fmt: skip

#: Images of the drawn sample that a planted unit sees, and the one that is shown.
SEEN, SHOWN = range(20, 60), 23


def balloon_unit():
    """Return pictures, masks of balloons (112 x 112) and 7 x 7 maps of a unit that follows them a little off centre."""
    rng, place = np.random.default_rng(3), sample_positions(0, 224, MASK, 224)
    pictures, masks, maps = {}, [], []
    for index in SEEN:
        canvas, rgb = draw_image(0, index)
        labels, drawn = label_masks(canvas, rgb)
        at = labels.index(("balloon", "object")) if ("balloon", "object") in labels else None
        mask = np.zeros((224, 224), bool) if at is None else drawn[at].astype(bool)
        cover = mask.reshape(7, 32, 7, 32).mean((1, 3))
        near = (cover + np.roll(cover, 1, 0) * 0.25) * 4 + rng.gamma(1.0, 0.35, (7, 7))
        pictures[index] = rgb
        masks.append(mask[place][:, place])
        maps.append(near.astype(np.float16))
    return pictures, np.array(masks), np.array(maps, np.float16)


def picture():
    """Draw how a map becomes a mask, and a mask an IoU."""
    pictures, masks, maps = balloon_unit()
    level, axis, at = threshold_of(maps), resize_axis(7, MASK), SHOWN - SEEN.start
    active = upsample(maps, axis, axis) > level
    sheet = Sheet(760, 268, "From the map of a unit to its IoU with a concept")
    top, side, step = 46, 128, 148
    heads = ("image", "map of the unit", "A: above T", "L: pixels of balloon", "A and L")
    for column, words in enumerate(heads):
        sheet.text(16 + column * step, 30, words, bold=True)
    for column in (0, 2, 4):
        sheet.image(16 + column * step, top, side, pictures[SHOWN][::2, ::2])
    sheet.cells(16 + step, top, side, maps[at] / maps.max())
    edge, truth = map_outline(maps[at], level, axis, axis), outline(masks[at].astype(float), 0.5)
    for column in (2, 4):
        sheet.box(16 + column * step, top, side, side, fill="#ffffff", opacity=0.55)
        sheet.region(edge, 16 + column * step, top, side, fill=BLUE, opacity=0.45, stroke=BLUE)
    sheet.box(16 + 3 * step, top, side, side, fill=PALE, stroke=RULE)
    for column, filled in ((3, ORANGE), (4, "none")):
        sheet.region(truth, 16 + column * step, top, side, fill=filled, opacity=0.5, stroke=ORANGE, width=2)
    here, whole = iou_of(active[at], masks[at]), iou_of(active, masks)
    low = top + side + 20
    sheet.note(16, low, "one of 40 drawn", "images")
    sheet.note(16 + step, low, "7 x 7 activations,", f"T = {level:.2f}")
    sheet.note(16 + 2 * step, low, "upsampled; 0.5 % of", "activations exceed T")
    sheet.note(16 + 3 * step, low, "the annotation,", "in mask pixels")
    sheet.note(16 + 4 * step, low, f"IoU here {here:.2f},", f"on all images {whole:.2f}")
    sheet.line(16, 226, 744, 226, RULE)
    sheet.text(
        16, 249, f"Over all images IoU = I / (A + G - I) = {whole:.3f} > {DETECTOR_IOU}: the unit detects balloon."
    )
    return sheet.svg()
