"""Views in blocks that never separate the views of one image, so that an image is counted once however blocks are cut."""

from collections.abc import Iterable, Iterator

import numpy as np

from filterscope.operators.dissection.masks import MaskBlock

#: Numbers of n views, their masks, and arrays with n rows.
Part = tuple[np.ndarray, MaskBlock, tuple[np.ndarray, ...]]


def whole_images(parts: Iterable[Part], image: np.ndarray) -> Iterator[Part]:
    """Move the last views of each part to the next one where their image goes on there.

    Parameters
    ----------
    parts : iterable of (int64 ndarray of shape (n,), MaskBlock, tuple of ndarray)
        Numbers of consecutive views, ascending; their masks; whatever else has one row per view.
    image : integer ndarray of shape (views,)
        Source image of every view of the run, ascending.

    Yields
    ------
    The same views in the same order. A part in which every image ends is passed on as it is, without a copy.
    """
    held: Part | None = None
    for part in parts:
        views, masks, arrays = part if held is None else _joined(held, part)
        held = None
        if len(views) and image[min(views[-1] + 1, len(image) - 1)] == image[views[-1]] and views[-1] + 1 < len(image):
            ends = int(np.searchsorted(image[views], image[views[-1]]))
            held = _rows((views, masks, arrays), slice(ends, None))
            views, masks, arrays = _rows((views, masks, arrays), slice(None, ends))
        yield views, masks, arrays
    if held is not None:
        yield held


def _rows(part: Part, rows: slice) -> Part:
    views, masks, arrays = part
    return views[rows], masks.take(np.arange(len(views))[rows]), tuple(array[rows] for array in arrays)


def _joined(one: Part, other: Part) -> Part:
    arrays = tuple(np.concatenate(pair) for pair in zip(one[2], other[2], strict=True))
    return np.concatenate([one[0], other[0]]), MaskBlock.join(one[1], other[1]), arrays


__all__ = ["Part", "whole_images"]
