"""Concept masks as the tally reads them: sampled, packed 64 pixels per word; labels of whole images have no pixels.

Where an annotation says that it does not know what pixels are, they count in no sum. Such an ignored region stands beside the
labels as if it were that of one more concept: of C concepts, number C + c is the region ignored for concept c alone, and
2 C + g the one ignored for every concept of category g.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


def sample_positions(start: float, extent: float, size: int, limit: int) -> NDArray[np.int64]:
    """Return which source row (or column) each of `size` mask pixels takes its label from.

    Mask pixel r takes the label at ``floor(start + (r + .5) extent / size)``.

    Parameters
    ----------
    start, extent : float
        The part of the source that the network sees, in source pixels.
    size : int
        Mask pixels S.
    limit : int
        Source pixels; positions are kept inside.
    """
    position = np.floor(start + (np.arange(size) + 0.5) * extent / size).astype(np.int64)
    return np.clip(position, 0, limit - 1)


def pack(masks: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack masks (bool, shape (m, rows, columns)) into words, uint64 of shape (m, W, rows), W = ceil(columns / 64).

    Bit b of word [i, w, r] is pixel (r, 64 w + b). All rows of one word column lie together, so that a band of rows
    inside one word column is contiguous.
    """
    count, rows, columns = masks.shape
    padded = np.zeros((count, rows, -(-columns // 64) * 64), np.uint8)
    padded[:, :, :columns] = masks
    packed = np.packbits(padded, axis=-1, bitorder="little").view("<u8")
    return np.ascontiguousarray(packed.transpose(0, 2, 1)).astype(np.uint64, copy=False)


def unpack(words: NDArray[np.uint64], columns: int) -> NDArray[np.bool_]:
    """Undo `pack`: uint64 of shape (m, W, rows) to bool of shape (m, rows, columns)."""
    rows = np.ascontiguousarray(words.transpose(0, 2, 1)).astype("<u8", copy=False)
    return np.unpackbits(rows.view(np.uint8), axis=-1, bitorder="little")[:, :, :columns].astype(bool)


class MaskBlock(NamedTuple):
    """Labels of consecutive images, n of them, with m (image, concept) pairs that have at least one mask pixel.

    Attributes
    ----------
    first : int64 ndarray of shape (n + 1,)
        Pairs ``first[i]`` to ``first[i + 1] - 1`` belong to image i.
    concept : int32 ndarray of shape (m,)
        Index of the concept, 0-based, ascending inside an image; from C on, of an ignored region.
    area : int64 ndarray of shape (m,)
        Labelled pixels.
    bitmap : int64 ndarray of shape (m,)
        Row of `words`, or -1 where the whole image is labelled.
    band : int64 ndarray of shape (m, 2)
        First row with a labelled pixel, and one past the last.
    words : uint64 ndarray of shape (b, W, S)
        Packed masks (`pack`).
    """

    first: NDArray[np.int64]
    concept: NDArray[np.int32]
    area: NDArray[np.int64]
    bitmap: NDArray[np.int64]
    band: NDArray[np.int64]
    words: NDArray[np.uint64]

    def take(self, images: NDArray[np.int64]) -> "MaskBlock":
        """Return the labels of the given images (int64, 0-based in the block), in that order."""
        if np.array_equal(images, np.arange(len(self.first) - 1)):
            return self
        count = np.diff(self.first)[images]
        first = np.append(0, np.cumsum(count))
        chosen = np.arange(first[-1]) + np.repeat(self.first[images] - first[:-1], count)
        columns = (self.concept[chosen], self.area[chosen], self.bitmap[chosen], self.band[chosen])
        return MaskBlock(first, *columns, self.words)

    @classmethod
    def join(cls, one: "MaskBlock", other: "MaskBlock") -> "MaskBlock":
        """Return the labels of the images of one block followed by those of the other."""
        bitmap = np.where(other.bitmap < 0, -1, other.bitmap + len(one.words))
        return cls(
            np.append(one.first, one.first[-1] + other.first[1:]),
            np.append(one.concept, other.concept),
            np.append(one.area, other.area),
            np.append(one.bitmap, bitmap),
            np.concatenate([one.band, other.band]),
            np.concatenate([one.words, other.words]),
        )


def category_of(number: NDArray[np.integer], category: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what category each pair of a block is about, int64 of shape (m,), from `MaskBlock.concept` and the concepts'."""
    every = np.concatenate([category, category, np.arange(category.max(initial=-1) + 1)])
    return np.asarray(every[number])


#: Mask of each concept of a view; None is all of it.
Regions = dict[int, NDArray[np.bool_] | None]


def leave_out(labels: Regions, ignored: Regions, category: NDArray[np.int64]) -> Regions:
    """Return the labels of a view without ignored pixels, and beside them the ignored regions that matter.

    Those of a category that no label of the view belongs to are dropped: A does not count the view for it. A view that has a
    label counts even where all of the label is ignored.

    Parameters
    ----------
    labels : dict
        Mask (bool, shape (rows, columns)) of each concept, 0 to C - 1; None is the whole view.
    ignored : dict
        Regions of numbers C + c and 2 C + g.
    category : int64 ndarray of shape (C,)
        Number of each concept's category.
    """
    concepts = len(category)
    shown = {int(category[concept]) for concept, mask in labels.items() if mask is None or mask.any()}
    kept: Regions = {}
    for number, mask in sorted(ignored.items(), reverse=True):  # those of categories first
        group = number - 2 * concepts if number >= 2 * concepts else int(category[number - concepts])
        if group in shown:
            kept[number] = _without(mask, kept, 2 * concepts + group) if number < 2 * concepts else mask
    for concept, mask in labels.items():
        known = _without(mask, kept, 2 * concepts + int(category[concept]))
        kept[concept] = _without(known, kept, concepts + concept)
    return kept


def _without(mask: NDArray[np.bool_] | None, regions: Regions, number: int) -> NDArray[np.bool_] | None:
    """Return the pixels of a mask, or with None of the whole view, outside one of the regions, if it is there."""
    if number not in regions:
        return mask
    region = regions[number]
    if region is None:
        return np.zeros((1, 1), np.bool_) if mask is None else np.zeros_like(mask)
    return ~region if mask is None else mask & ~region


def mask_block(labels: list[Regions], rows: int, columns: int) -> MaskBlock:
    """Build the block of images from each image's masks.

    Parameters
    ----------
    labels : list of dict
        For each image, concept index -> mask (bool, shape (rows, columns)), or None for the whole image. Empty
        masks are dropped. Unknown regions, if any, as `leave_out` returns them.
    rows, columns : int
        Mask pixels.
    """
    first, concept, area, bitmap, band = [0], [], [], [], []
    drawn: list[NDArray[np.bool_]] = []
    for image in labels:
        for index in sorted(image):
            mask = image[index]
            whole = mask is None or bool(mask.all())
            if not whole and not mask.any():  # type: ignore[union-attr]
                continue
            labelled = np.flatnonzero(mask.any(axis=1)) if mask is not None else np.array([0, rows - 1])
            concept.append(index)
            area.append(rows * columns if whole else int(mask.sum()))  # type: ignore[union-attr]
            bitmap.append(-1 if whole else len(drawn))
            band.append((labelled[0], labelled[-1] + 1))
            if not whole:
                drawn.append(mask)  # type: ignore[arg-type]
        first.append(len(concept))
    stack = np.array(drawn) if drawn else np.zeros((0, rows, columns), bool)
    return MaskBlock(
        np.array(first, np.int64),
        np.array(concept, np.int32),
        np.array(area, np.int64),
        np.array(bitmap, np.int64),
        np.array(band, np.int64).reshape(-1, 2),
        pack(stack),
    )
