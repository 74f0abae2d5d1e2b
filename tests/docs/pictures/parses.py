"""Drawn objects of two parts, parsed: cuts that average their parts beside cuts that add them."""

import numpy as np

from filterscope.operators.parses.boxes import box_cells
from filterscope.operators.parses.grid import grid_of
from filterscope.operators.parses.head import class_scores, leaf_scores, learned, pooled
from filterscope.operators.parses.parsing import parse
from filterscope.pipeline.datasets.sample import composed
from filterscope.pipeline.datasets.sample.dice import Dice
from tests.docs.pictures.svg import INK, ORANGE, SOFT, Sheet

_OBJECTS, _SHOWN, _K, _SIDE = 120, 3, 2, 108


def picture():
    """Draw three objects, each parsed with means and with sums."""
    sheet = Sheet(760, 300, "Drawn objects of two parts, parsed by And-Or graphs whose cuts average and whose cuts add")
    drawn = [composed.draw(Dice(0, number)) for number in range(_OBJECTS)]
    cells = np.concatenate([_cells(one) for one in drawn])
    features = pooled((cells - cells.mean(axis=(0, 1))) / cells.std(), _K)
    target = np.array([composed.CLASSES.index(one.factors["class"]) for one in drawn])
    sheet.text(16, 30, f"Objects of two parts, a grid of {_K} x {_K} cells: leaves of the best parse", bold=True)
    for row, (mode, words) in enumerate((("mean", "a cut averages its parts"), ("sum", "a cut adds them (paper)"))):
        top = 50 + row * (_SIDE + 16)
        head = learned(features, target, _K, 2, mode=mode, steps=100, random=np.random.default_rng(0))
        told = class_scores(head, features).argmax(axis=1)
        parses = parse(leaf_scores(head, features)[np.arange(_OBJECTS), told], _K)
        for place in range(_SHOWN):
            _box(sheet, drawn[place], 16 + place * (_SIDE + 16), top, parses.leaves[place])
        found = parses.leaves.sum(axis=1)
        x = 16 + _SHOWN * (_SIDE + 16) + 8
        sheet.text(x, top + 30, words, bold=True)
        two = _between(parses.leaves, target)
        sheet.note(x, top + 52, f"{np.mean(found):.1f} leaves of {_K * _K} cells, on average over {_OBJECTS}")
        sheet.note(x, top + 70, f"cut once, between the two parts: {two:.0%}")
    return sheet.svg()


def _between(leaves, target):
    """Return the share of objects that are cut once, stacked ones into rows and others into columns."""
    rows = [own.tolist() in ([0, 0, 1, 2], [1, 0, 2, 2]) for own in grid_of(_K).rectangles]
    columns = [own.tolist() in ([0, 0, 2, 1], [0, 1, 2, 2]) for own in grid_of(_K).rectangles]
    return np.mean((leaves == np.array([rows, columns])[target]).all(axis=1))


def _cells(one):
    """Return the cells of an object as a filter for each part sees them."""
    red, green, blue = one.pixels.astype(float).transpose(2, 0, 1) / 255
    return box_cells(np.stack([red - blue, blue - red, green])[None], np.array([_corners(one)]) / composed.SIDE, _K)


def _corners(one):
    first, last = one.parts.values()
    return [*first[:2], *last[2:]]


def _box(sheet, one, left, top, leaves):
    x0, y0, x1, y1 = _corners(one)
    for (name, (r, g, b)), (a, c, d, e) in zip(composed.PARTS.items(), one.parts.values(), strict=True):
        x, y = left + (a - x0) / (x1 - x0) * _SIDE, top + (c - y0) / (y1 - y0) * _SIDE
        wide, high = (d - a) / (x1 - x0) * _SIDE, (e - c) / (y1 - y0) * _SIDE
        sheet.box(x, y, wide, high, fill=f"#{r:02x}{g:02x}{b:02x}")
        if name == "striped part":
            for stripe in range(0, e - c, 4):
                at = y + stripe / (e - c) * high
                sheet.line(x, at, x + wide, at, colour="#ffffff", width=1.5)
    for y0, x0, y1, x1 in grid_of(_K).rectangles[leaves].tolist():
        step = _SIDE / _K
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
        points = [(left + x * step, top + y * step) for x, y in corners]
        sheet.lines(points, colour=INK, width=5)
        sheet.lines(points, colour=ORANGE, width=2)
    sheet.text(left, top + _SIDE + 12, one.factors["class"], size=11, colour=SOFT)
