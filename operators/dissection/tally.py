"""The inner loop of network dissection: how often each unit's activated pixels meet each concept's labelled pixels.

For a unit u and an image, A is the set of mask pixels whose upsampled activation is above T_u; for a concept c, L is the
set of its labelled pixels. The tally adds |A|, |A ∩ L| and their second moments over images, in integers, so that tallies
of image blocks merge by addition and do not depend on order (Bau et al. 2017, section 2.3).

An image whose raw maximum is not above T contributes nothing and is not drawn. Activated pixels of the others are packed bits,
so that a concept's share is a popcount, and the counts of each pixel over images are added 64 at a time, as bit planes.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from filterscope.operators.dissection.anchoring import Axis
from filterscope.operators.dissection.drawing import (
    Canvas,
    Grid,
    area_of,
    canvas_of,
    draw_map,
    grid_of,
    inlined,
    mark_above,
    orders_of,
    pixels_inside,
)
from filterscope.operators.dissection.masks import MaskBlock, unpack

# Columns of Tally.pairs.
INTERSECTION, SQUARED_INTERSECTION, INTERSECTION_UNION, CROSS, ASSOCIATED = range(5)

#: IoU on one image that counts as association: 0.04 = 1 / 25, compared in integers.
_ASSOCIATION_FACTOR = 25

#: Bits of the count of a pixel's activated images.
_PLANES = 32


class _Sums(NamedTuple):
    pairs: NDArray[np.int64]
    categories: NDArray[np.int64]
    planes: NDArray[np.uint64]


class _Ignored(NamedTuple):
    """A unit's activated pixels that are ignored for a concept alone, on the views of one image, and `Tally.lost`.

    Without ignored regions None stands for it, and a kernel is compiled that knows nothing of them: it is a third faster.
    """

    here: NDArray[np.int64]
    lost: NDArray[np.int64]


@inlined
def _cover(planes: NDArray[np.uint64], unit: int, canvas: Canvas) -> None:
    """Add 1 to the count of every activated pixel, 64 counts at a time; the carry runs out and leaves `words` empty."""
    words = canvas.words
    for word in range(len(words)):
        for plane in range(planes.shape[1]):
            some = np.uint64(0)
            for row in range(canvas.top_row[word], canvas.end_row[word]):
                carry, bits = words[word, row], planes[unit, plane, word, row]
                planes[unit, plane, word, row] = bits ^ carry
                words[word, row] = bits & carry
                some |= bits & carry
            if some == 0:
                break


class _Image(NamedTuple):
    """Scratch for the views of one source image: units to draw, concepts held and pixels labelled, what a unit meets."""

    hit: NDArray[np.bool_]
    units: NDArray[np.int64]
    held: NDArray[np.int64]
    labelled: NDArray[np.int64]
    seen: NDArray[np.bool_]
    met: NDArray[np.int64]
    active: NDArray[np.int64]


@inlined
def category_of_pair(number: int, category: NDArray[np.int64]) -> int:
    """Return the category that a pair of a mask block is about, be it a label or an ignored region."""
    concepts = len(category)
    if number >= 2 * concepts:
        return number - 2 * concepts
    own: int = category[number if number < concepts else number - concepts]
    return own


@inlined
def _open(
    masks: MaskBlock, category: NDArray[np.int64], start: int, stop: int, image: _Image, ignored: _Ignored | None
) -> int:
    """Sum the labels of the views of an image, note which view has which category, and count the concepts."""
    count = 0
    image.seen[:] = False
    for view in range(start, stop):
        for pair in range(masks.first[view], masks.first[view + 1]):
            concept = masks.concept[pair]
            if ignored is not None and concept >= len(category):
                image.seen[view - start, category_of_pair(concept, category)] = True
                continue
            image.seen[view - start, category[concept]] = True
            if image.labelled[concept] == 0:
                image.held[count] = concept
                count += 1
            image.labelled[concept] += masks.area[pair]
    return count


@inlined
def _hit(
    maxima: NDArray[np.float32], thresholds: NDArray[np.float32], start: int, stop: int, image: _Image
) -> int:  # fmt: skip
    """List the units with a maximum above the threshold in one of the views, and count them; most have none."""
    image.hit[:] = False
    for view in range(start, stop):
        for unit in range(len(thresholds)):
            image.hit[unit] |= maxima[view, unit] > thresholds[unit]
    count = 0
    for unit in range(len(thresholds)):
        image.units[count] = unit
        count += image.hit[unit]
    return count


@inlined
def _add_view(
    canvas: Canvas, masks: MaskBlock, view: int, place: int, inside: np.int64, image: _Image, ignored: _Ignored | None
) -> None:
    for group in range(len(image.active)):
        if image.seen[place, group]:
            image.active[group] += inside
    pair, last, concepts = masks.first[view], masks.first[view + 1], len(image.met)
    while pair < last and (ignored is None or masks.concept[pair] < concepts):
        image.met[masks.concept[pair]] += inside if masks.bitmap[pair] < 0 else pixels_inside(canvas, masks, pair)
        pair += 1
    if ignored is not None:
        for region in range(pair, last):
            number = masks.concept[region]
            common = inside if masks.bitmap[region] < 0 else pixels_inside(canvas, masks, region)
            if number < 2 * concepts:
                ignored.here[number - concepts] += common
            else:
                image.active[number - 2 * concepts] -= common


@inlined
def _add_lost(
    unit: int, masks: MaskBlock, start: int, stop: int, category: NDArray[np.int64], image: _Image, ignored: _Ignored
) -> None:
    """Add what A and A^2 of a concept lose to pixels ignored for it alone: a^2 - (a - l)^2 = l (2 a - l)."""
    for pair in range(masks.first[start], masks.first[stop]):
        concept = masks.concept[pair] - len(category)
        if 0 <= concept < len(category) and ignored.here[concept] > 0:
            here = ignored.here[concept]
            ignored.lost[unit, concept, 0] += here
            ignored.lost[unit, concept, 1] += here * (2 * image.active[category[concept]] - here)
            ignored.here[concept] = 0


@inlined
def _add_image(
    unit: int, concepts: int, masks: MaskBlock, start: int, stop: int, category: NDArray[np.int64], sums: _Sums,
    image: _Image, ignored: _Ignored | None,
) -> None:  # fmt: skip
    """Add what a unit meets on all views of an image, and clear it."""
    pairs = sums.pairs
    for group in range(len(image.active)):
        sums.categories[unit, group, 0] += image.active[group]
        sums.categories[unit, group, 1] += image.active[group] * image.active[group]
    for index in range(concepts):
        concept = image.held[index]
        common, area = image.met[concept], image.labelled[concept]
        inside = image.active[category[concept]]
        if ignored is not None:
            inside -= ignored.here[concept]
        image.met[concept] = 0
        # The second moment of the union needs only these: (A + L - I)^2 = (A + L)^2 - 2 I U - I^2.
        pairs[unit, concept, CROSS] += inside * area
        if common > 0:
            union = inside + area - common
            pairs[unit, concept, INTERSECTION] += common
            pairs[unit, concept, SQUARED_INTERSECTION] += common * common
            pairs[unit, concept, INTERSECTION_UNION] += common * union
            pairs[unit, concept, ASSOCIATED] += common * _ASSOCIATION_FACTOR > union
    if ignored is not None:
        _add_lost(unit, masks, start, stop, category, image, ignored)
    image.active[:] = 0


@njit(cache=True, nogil=True)
def _tally(
    patterns: NDArray[np.int16], half: NDArray[np.float64], maxima: NDArray[np.float32],
    thresholds: NDArray[np.float32], orders: NDArray[np.int16], grid: Grid, masks: MaskBlock,
    category: NDArray[np.int64], cuts: NDArray[np.int64], sums: _Sums, canvas: Canvas, scratch: _Image,
    activated: NDArray[np.uint32], ignored: _Ignored | None,
) -> None:  # fmt: skip
    for image in range(len(cuts) - 1):
        start, stop = cuts[image], cuts[image + 1]
        concepts = _open(masks, category, start, stop, scratch, ignored)
        for place in range(_hit(maxima, thresholds, start, stop, scratch)):
            unit, some = scratch.units[place], False
            for view in range(start, stop):
                if not maxima[view, unit] > thresholds[unit]:
                    continue
                mark_above(patterns, view, unit, orders[unit], canvas.above)
                draw_map(patterns, view, unit, half, thresholds[unit], grid, canvas)
                inside = area_of(canvas)
                if inside > 0:
                    some, activated[view, unit] = True, inside
                    _add_view(canvas, masks, view, view - start, inside, scratch, ignored)
                    _cover(sums.planes, unit, canvas)
            if some:
                _add_image(unit, concepts, masks, start, stop, category, sums, scratch, ignored)
        scratch.labelled[:] = 0


def _cuts(image: NDArray[np.integer] | None, views: int) -> NDArray[np.int64]:
    """Return where the views of each source image begin, and the number of views: every view on its own for None."""
    if image is None:
        return np.arange(views + 1)
    return np.append(np.flatnonzero(np.diff(image, prepend=-1)), views).astype(np.int64)


def _scratch(cuts: NDArray[np.int64], tally: "Tally") -> _Image:
    units, concepts, categories = *tally.pairs.shape[:2], tally.categories.shape[1]
    held, labelled, met = np.zeros((3, concepts), np.int64)
    seen = np.zeros((np.diff(cuts).max(initial=1), categories), np.bool_)
    active = np.zeros(categories, np.int64)
    return _Image(np.zeros(units, np.bool_), np.zeros(units, np.int64), held, labelled, seen, met, active)


def _ignored(tally: "Tally", masks: MaskBlock) -> _Ignored | None:
    """Return what is needed where regions are ignored, with room in the tally."""
    concepts = tally.pairs.shape[1]
    if not (masks.concept >= concepts).any():
        return None
    if not tally.lost.shape[1]:
        tally.lost = np.zeros((len(tally.pairs), concepts, 2), np.int64)
    return _Ignored(np.zeros(concepts, np.int64), tally.lost)


def half_values() -> NDArray[np.float64]:
    """Return the number of every float16 bit pattern, float64 of shape (65536,); a signed pattern indexes it too."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)


def _add_planes(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Add two counts in bit planes (shape (U, planes, W, rows)), as a ripple of full adders."""
    out, carry = np.empty_like(a), np.zeros_like(a[:, 0])
    for plane in range(a.shape[1]):
        either, both = a[:, plane] ^ b[:, plane], a[:, plane] & b[:, plane]
        out[:, plane] = either ^ carry
        carry = both | (either & carry)
    return out


@dataclass
class Tally:
    """Sums over images of U units against C concepts in G categories; merges by addition.

    Attributes
    ----------
    pairs : int64 ndarray of shape (U, C, 5)
        Over the images of a concept: I, I^2, I U with U the union, A L, and images with I / U > 0.04.
    categories : int64 ndarray of shape (U, G, 2)
        Over the images that have a category: A and A^2, without ignored pixels.
    lost : int64 ndarray of shape (U, C, 2), or (U, 0, 2) if no pixel is ignored
        How much less A and A^2 of a concept are than its category's, for the pixels ignored for it alone.
    planes : uint64 ndarray of shape (U, 32, W, rows)
        Activated images of each pixel in binary: plane p holds bit p of the counts, packed as `masks.pack` does.
    columns : int
        Mask columns.
    """

    pairs: NDArray[np.int64]
    categories: NDArray[np.int64]
    planes: NDArray[np.uint64]
    columns: int
    lost: NDArray[np.int64]

    @classmethod
    def empty(cls, units: int, concepts: int, categories: int, shape: tuple[int, int]) -> Self:
        """Return the tally of no images."""
        return cls(
            np.zeros((units, concepts, 5), np.int64),
            np.zeros((units, categories, 2), np.int64),
            np.zeros((units, _PLANES, -(-shape[1] // 64), shape[0]), np.uint64),
            shape[1],
            np.zeros((units, 0, 2), np.int64),
        )

    def __add__(self, other: Self) -> "Tally":
        """Merge with the tally of other images."""
        planes = _add_planes(self.planes, other.planes)
        parts = [part.lost for part in (self, other) if part.lost.shape[1]]
        lost = np.sum(parts, axis=0) if parts else self.lost
        return Tally(self.pairs + other.pairs, self.categories + other.categories, planes, self.columns, lost)

    def activated(self, category: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return A and A^2 of each concept, int64 of shape (U, C, 2), given each concept's category."""
        found = self.categories[:, category]
        return np.asarray(found - self.lost) if self.lost.shape[1] else found

    def coverage(self) -> NDArray[np.int64]:
        """Return in how many images each pixel is activated, int64 of shape (U, rows, columns)."""
        units, planes, _, rows = self.planes.shape
        counts = np.zeros((units, rows, self.columns), np.int64)
        for plane in range(planes):
            if self.planes[:, plane].any():
                counts += unpack(self.planes[:, plane], self.columns).astype(np.int64) << plane
        return counts


def add_to_tally(
    tally: Tally,
    activations: NDArray[np.float16],
    maxima: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    masks: MaskBlock,
    category: NDArray[np.int64],
    rows: Axis,
    columns: Axis,
    half: NDArray[np.float64],
    image: NDArray[np.integer] | None = None,
) -> NDArray[np.uint32]:
    """Tally a block of n views in place.

    Parameters
    ----------
    tally : Tally
        Sums to add to; its images of mask pixels have the size that `rows` and `columns` sample to.
    activations : float16 ndarray of shape (n, U, height, width)
        Raw maps.
    maxima : float32 ndarray of shape (n, U)
        Maximum of each map.
    thresholds : float32 ndarray of shape (U,)
        T of each unit; activated means strictly above.
    masks : MaskBlock
        Labels of the same n images, and ignored regions.
    category : int64 ndarray of shape (C,)
        Number of each concept's primary category.
    rows, columns : Axis
        Where mask pixels fall between map positions.
    half : float64 ndarray of shape (65536,)
        From `half_values`.
    image : integer ndarray of shape (n,), optional
        Source image of each view, ascending. Views of one image (crops, flips) are one image in every count and second
        moment, so they must come in one call; by default every view is an image of its own.

    Returns
    -------
    uint32 ndarray of shape (n, U)
        Activated mask pixels |A| of each view and unit.
    """
    views, units, height, width = activations.shape
    activated, cuts = np.zeros((views, units), np.uint32), _cuts(image, views)
    _tally(
        np.ascontiguousarray(activations).view(np.int16), half, np.ascontiguousarray(maxima, np.float32),
        thresholds, orders_of(thresholds), grid_of(rows, columns), masks, category, cuts,
        _Sums(tally.pairs, tally.categories, tally.planes), canvas_of(height, width, tally.planes),
        _scratch(cuts, tally), activated, _ignored(tally, masks),
    )  # fmt: skip
    return activated
