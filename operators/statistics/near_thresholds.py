"""Sums at several thresholds near T, from those at T: only pixels between the lowest and the highest change sides.

Parts of the images that share most of them have nearly the same threshold. Drawing all their pixels for every part costs as
many draws; here the pixels are drawn at the two outermost thresholds, and those in between, which are few, are interpolated
once, by the formula that draws them, and compared with the threshold of each part.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.activated import common_pixels
from filterscope.operators.dissection.anchoring import Axis
from filterscope.operators.dissection.drawing import (
    Canvas,
    Grid,
    canvas_of,
    draw_map,
    grid_of,
    inlined,
    mark_above,
    orders_of,
    popcount,
)
from filterscope.operators.dissection.masks import MaskBlock
from filterscope.operators.statistics.permutation import LEFT_OUT


@inlined
def _value(
    patterns: NDArray[np.int16], image: int, unit: int, half: NDArray[np.float64], lower: tuple[int, int],
    weight: tuple[float, float],
) -> float:  # fmt: skip
    """Interpolate one pixel as `drawing._draw_cell` does."""
    i, j = lower
    below, beside = min(i + 1, patterns.shape[2] - 1), min(j + 1, patterns.shape[3] - 1)
    nw, ne = half[patterns[image, unit, i, j]], half[patterns[image, unit, i, beside]]
    left = nw + weight[0] * (half[patterns[image, unit, below, j]] - nw)
    right = ne + weight[0] * (half[patterns[image, unit, below, beside]] - ne)
    value: float = left + weight[1] * (right - left)
    return value


@inlined
def _find_changes(
    patterns: NDArray[np.int16], image: int, unit: int, half: NDArray[np.float64], around: float,
    near: NDArray[np.float64], grid: Grid, lower: tuple[NDArray[np.int64], NDArray[np.int64]],
    canvases: tuple[Canvas, Canvas], changed: NDArray[np.uint64], span: NDArray[np.int64],
) -> None:  # fmt: skip
    """Mark in each draw the pixels on the other side of its threshold than of T, and their rows; empty the canvases."""
    low, high = canvases
    for word in range(len(low.words)):
        span[word, 0], span[word, 1] = low.words.shape[1], 0
        for row in range(np.int64(low.top_row[word]), np.int64(low.end_row[word])):
            between = low.words[word, row] & ~high.words[word, row]
            low.words[word, row] = high.words[word, row] = 0
            if between == 0:
                continue
            span[word, 0], span[word, 1] = min(span[word, 0], row), row + 1
            while between:
                bit = between & (~between + np.uint64(1))
                between ^= bit
                column = word * 64 + popcount(bit - np.uint64(1))
                value = _value(
                    patterns, image, unit, half, (lower[0][row], lower[1][column]),
                    (grid.row_weight[row], grid.column_weight[column]),
                )  # fmt: skip
                above = value > around
                for draw in range(len(near)):
                    changed[draw, word, row] |= bit if (value > near[draw]) != above else np.uint64(0)


@njit(cache=True, nogil=True)
def _add(
    patterns: NDArray[np.int16], half: NDArray[np.float64], maxima: NDArray[np.float32], around: NDArray[np.float32],
    near: NDArray[np.float32], outer: NDArray[np.float32], orders: NDArray[np.int16], grid: Grid,
    lower: tuple[NDArray[np.int64], NDArray[np.int64]], canvases: tuple[Canvas, Canvas], masks: MaskBlock,
    slot: NDArray[np.int64], kinds: NDArray[np.bool_], source: NDArray[np.int64], intersection: NDArray[np.int64],
    activated: NDArray[np.int64],
) -> None:  # fmt: skip
    low, high = canvases
    changed = np.zeros((len(near), *low.words.shape), np.uint64)
    span, own = np.zeros((len(low.words), 2), np.int64), np.zeros(len(near))
    for image in range(maxima.shape[0]):
        for unit in range(maxima.shape[1]):
            if outer[0, unit] == outer[1, unit] or not maxima[image, unit] > outer[0, unit]:
                continue
            mark_above(patterns, image, unit, orders[0, unit], low.above)
            draw_map(patterns, image, unit, half, outer[0, unit], grid, low)
            if maxima[image, unit] > outer[1, unit]:
                mark_above(patterns, image, unit, orders[1, unit], high.above)
                draw_map(patterns, image, unit, half, outer[1, unit], grid, high)
            for draw in range(len(near)):
                own[draw] = near[draw, unit] if source[draw, image] >= 0 else around[unit]
            _find_changes(patterns, image, unit, half, around[unit], own, grid, lower, canvases, changed, span)
            for draw in range(len(near)):
                giver, sign = source[draw, image], 1 if near[draw, unit] < around[unit] else -1
                pixels = common_pixels(changed[draw], span, changed[draw])
                if giver >= 0 and pixels:
                    for group in range(kinds.shape[1]):
                        activated[draw, group, unit] += sign * pixels * kinds[giver, group]
                    for labelled in range(masks.first[giver], masks.first[giver + 1]):
                        concept, bitmap = slot[masks.concept[labelled]], masks.bitmap[labelled]
                        if concept >= 0:
                            common = pixels if bitmap < 0 else common_pixels(changed[draw], span, masks.words[bitmap])
                            intersection[draw, concept, unit] += sign * common
                if pixels:
                    changed[draw] = 0


def add_changes(
    intersection: NDArray[np.int64],
    activated: NDArray[np.int64],
    activations: NDArray[np.float16],
    maxima: NDArray[np.float32],
    around: NDArray[np.float32],
    near: NDArray[np.float32],
    axes: tuple[Axis, Axis],
    half: NDArray[np.float64],
    masks: MaskBlock,
    slot: NDArray[np.int64],
    kinds: NDArray[np.bool_],
    source: NDArray[np.int64],
) -> None:
    """Turn sums of n images at T into sums at a threshold near T, another in each draw, in place.

    Exact whatever the thresholds are; fast where few pixels lie between them.

    Parameters
    ----------
    intersection : int64 ndarray of shape (draws, concepts, U)
        |A ∩ L|, as `permutation.add_intersections` adds it at T.
    activated : int64 ndarray of shape (draws, G, U)
        A, as `permutation.add_activated` adds it at T.
    activations : float16 ndarray of shape (n, U, height, width)
        Raw maps.
    maxima : float32 ndarray of shape (n, U)
        Maximum of each map.
    around : float32 ndarray of shape (U,)
        T of each unit.
    near : float32 ndarray of shape (draws, U)
        Threshold of each unit in each draw.
    axes : tuple of Axis
        Where mask rows and columns fall between map positions.
    half : float64 ndarray of shape (65536,)
        From `operators.dissection.tally.half_values`.
    masks, slot, kinds, source
        As for `permutation.add_intersections` and `permutation.add_activated`.
    """
    drawn = (source != LEFT_OUT).any(axis=1)
    if not drawn.any():
        return
    levels = np.vstack([near[drawn], around])
    outer = np.stack([levels.min(axis=0), levels.max(axis=0)])
    rows, columns = axes
    planes = np.zeros((1, 1, -(-len(columns.lower) // 64), len(rows.lower)), np.uint64)
    height, width = activations.shape[2:]
    canvases = canvas_of(height, width, planes), canvas_of(height, width, planes)
    _add(
        np.ascontiguousarray(activations).view(np.int16), half, maxima, around, near, outer, orders_of(outer),
        grid_of(rows, columns), (rows.lower, columns.lower), canvases,
        masks, slot, kinds, np.ascontiguousarray(source), intersection, activated,
    )  # fmt: skip
