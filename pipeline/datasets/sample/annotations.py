"""What a finished picture shows: the concepts of its pixels, its objects, and their landmarks."""

from dataclasses import dataclass

import numpy as np

from filterscope.operators.images.colors import COLORS, name_colors
from filterscope.pipeline.datasets.sample.canvas import SIZE, Canvas, Keypoint
from filterscope.pipeline.datasets.sample.paint import Label
from filterscope.pipeline.datasets.sample.raster import SUB

#: An object of fewer visible pixels keeps its labels, but is no row of the objects.
LEAST_PIXELS = 64


@dataclass(frozen=True)
class Seen:
    """A visible object: its category, its box (x0, y0, x1, y1; x1 and y1 outside), and its landmarks (name, x, y)."""

    category: str
    box: tuple[int, int, int, int]
    landmarks: tuple[tuple[str, float, float], ...]


def label_masks(canvas: Canvas, rgb: np.ndarray) -> tuple[list[Label], np.ndarray]:
    """Return the concepts that label pixels, and their masks.

    Parameters
    ----------
    canvas : Canvas
        The picture as painted.
    rgb : ndarray of shape (SIZE, SIZE, 3), uint8
        The picture as photographed, which its colours are read from.

    Returns
    -------
    labels : list of labels
        Concepts in order of first appearance; colours last.
    masks : ndarray of shape (len(labels), SIZE, SIZE), uint8
        One where a concept is. Columns lie together in memory, as run-length coding reads them.
    """
    rows: dict[Label, list[int]] = {}
    for index in _visible(canvas):
        for label in canvas.surfaces[index].labels:
            rows.setdefault(label, []).append(index)
    lookup = np.zeros((len(rows), len(canvas.surfaces)), dtype=np.uint8)
    for row, indices in zip(lookup, rows.values(), strict=True):
        row[indices] = 1
    named = name_colors(rgb)
    present = np.flatnonzero(np.bincount(named.ravel(), minlength=len(COLORS)))
    masks = np.empty((len(rows) + len(present), SIZE, SIZE), dtype=np.uint8)
    np.take(lookup, canvas.owner.T, axis=1, out=masks[: len(rows)], mode="clip")
    np.equal(named.T[None], present[:, None, None], out=masks[len(rows) :].view(bool))
    return [*rows, *((COLORS[k], "color") for k in present)], masks.transpose(0, 2, 1)


def seen_objects(canvas: Canvas) -> list[Seen]:
    """Return the objects of which at least `LEAST_PIXELS` are visible, in order of painting."""
    thing_of = np.array([surface.thing for surface in canvas.surfaces], dtype=np.int16)
    things = thing_of[canvas.owner]
    pixels = np.bincount(things.ravel() + 1, minlength=len(canvas.things) + 1)[1:]
    keypoints: dict[int, list[Keypoint]] = {}
    for keypoint in canvas.keypoints:
        keypoints.setdefault(keypoint.thing, []).append(keypoint)
    found = []
    for number in np.flatnonzero(pixels >= LEAST_PIXELS):
        x0, y0, x1, y1 = _box(things == number)
        view = canvas.owner[y0:y1, x0:x1]
        marks = (_landmark(view, x0, y0, keypoint) for keypoint in keypoints.get(int(number), []))
        found.append(Seen(canvas.things[number], (x0, y0, x1, y1), tuple(mark for mark in marks if mark)))
    return found


def seen_attributes(canvas: Canvas) -> dict[str, str]:
    """Return the properties of the image, among those of surfaces only the visible ones."""
    shown = (canvas.surfaces[index].attribute for index in _visible(canvas))
    return canvas.attributes | dict(pair for pair in shown if pair)


def _visible(canvas: Canvas) -> list[int]:
    return np.flatnonzero(np.bincount(canvas.owner.ravel())).tolist()


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _landmark(owner: np.ndarray, left: int, top: int, keypoint: Keypoint) -> tuple[str, float, float] | None:
    """Return a keypoint where its part is seen there, else the nearest pixel of the part, or None if all is hidden."""
    x, y = keypoint.x - left * SUB, keypoint.y - top * SUB
    row, column = (y + SUB // 2) // SUB, (x + SUB // 2) // SUB
    if 0 <= row < owner.shape[0] and 0 <= column < owner.shape[1] and owner[row, column] in keypoint.surfaces:
        return keypoint.name, keypoint.x / SUB, keypoint.y / SUB
    rows, columns = np.nonzero(np.isin(owner, keypoint.surfaces))
    if not len(rows):
        return None
    nearest = np.argmin((rows * SUB - y) ** 2 + (columns * SUB - x) ** 2)
    return keypoint.name, float(columns[nearest] + left), float(rows[nearest] + top)
