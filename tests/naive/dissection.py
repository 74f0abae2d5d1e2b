"""Slow twins of network dissection, one pixel, image and concept at a time."""

import math
from fractions import Fraction

import numpy as np
from PIL import Image


def upsample(raw: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Bilinear upsampling with half-pixel centres, clamped at the edges."""
    height, width = raw.shape
    out = np.empty((rows, columns))
    for r in range(rows):
        y = min(max((r + 0.5) * height / rows - 0.5, 0.0), height - 1.0)
        for c in range(columns):
            x = min(max((c + 0.5) * width / columns - 0.5, 0.0), width - 1.0)
            i, j = int(y), int(x)
            below, beside = min(i + 1, height - 1), min(j + 1, width - 1)
            a, b = float(raw[i, j]), float(raw[i, beside])
            d, e = float(raw[below, j]), float(raw[below, beside])
            left, right = a + (y - i) * (d - a), b + (y - i) * (e - b)
            out[r, c] = left + (x - j) * (right - left)
    return out


def sample_mask(mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Mask pixel (r, c) takes the label at row floor((r + .5) H / S), column floor((c + .5) W / S)."""
    height, width = mask.shape
    out = np.empty((rows, columns), bool)
    for r in range(rows):
        for c in range(columns):
            out[r, c] = mask[math.floor((r + 0.5) * height / rows), math.floor((c + 0.5) * width / columns)]
    return out


def dissect(
    activated: np.ndarray,
    labels: list[dict[int, np.ndarray]],
    category: list[int],
    source: list[int] | None = None,
    ignored: list[dict[int, np.ndarray]] | None = None,
) -> dict[str, np.ndarray]:
    """Network dissection of one unit from its definition, image by image.

    Parameters
    ----------
    activated : bool ndarray of shape (images, rows, columns)
        Pixels of each image above the threshold.
    labels : list of dict
        For each image, concept -> mask (bool, shape (rows, columns)) with at least one pixel.
    category : list of int
        Category of each concept.
    source : list of int, optional
        Image of which each row is a view: one image in counts and second moments; by default each is its own.
    ignored : list of dict, optional
        For each image, concept -> pixels (bool) of which it is not known whether they are the concept.
    """
    ignored = [{} for _ in labels] if ignored is None else ignored
    source = list(range(len(labels))) if source is None else source
    concepts, images = len(category), len(labels)
    out = {name: np.zeros(concepts) for name in ("i", "a", "g", "iou", "association", "lift", "effective", "error")}
    for c in range(concepts):
        pairs = []  # (intersection, union) on every image of the category
        holds, associated = 0, 0
        for image in sorted(set(source)):
            views = [v for v in range(images) if source[v] == image]
            views = [v for v in views if any(category[other] == category[c] for other in labels[v])]
            if not views:
                continue
            both, either, shown = 0, 0, False
            for v in views:
                known = ~ignored[v].get(c, np.zeros_like(activated[v]))
                above, label = activated[v] & known, labels[v].get(c, np.zeros_like(known)) & known
                both, either = both + int((above & label).sum()), either + int((above | label).sum())
                out["a"][c] += int(above.sum())
                out["g"][c] += label.sum()
                shown = shown or bool(label.any())
            pairs.append((both, either))
            if shown:
                holds += 1
                associated += both / either > 0.04
        out["i"][c] = sum(both for both, _ in pairs)
        union = sum(either for _, either in pairs)
        out["iou"][c] = out["i"][c] / union if union else 0.0
        out["association"][c] = associated / holds if holds else np.nan
        squares = sum(both**2 for both, _ in pairs)
        out["effective"][c] = out["i"][c] ** 2 / squares if squares else 0.0
        out["error"][c] = np.nan
        if out["effective"][c] >= 5:
            residual = sum((both - out["iou"][c] * either) ** 2 for both, either in pairs)
            out["error"][c] = math.sqrt(len(pairs) / (len(pairs) - 1) * residual) / union
        places = _places(labels, ignored, c, activated.shape[1:])
        expected = (activated.sum(axis=0) * places).sum() / images
        out["lift"][c] = out["i"][c] / expected if expected else np.nan
    return out


def _places(labels, ignored, concept, shape):
    """In how many images each pixel is labelled with a concept and not ignored."""
    places = np.zeros(shape, int)
    for masks, unknown in zip(labels, ignored, strict=True):
        if concept in masks:
            places += masks[concept] & ~unknown.get(concept, np.zeros(shape, bool))
    return places


def layer_labels(labels: dict[int, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Spread the masks of one image over label layers (int64, concept + 1, 0 = none): a layer holds one label per pixel."""
    layers: list[np.ndarray] = []
    for concept in sorted(labels):
        layer = next((free for free in layers if not free[labels[concept]].any()), None)
        if layer is None:
            layer = np.zeros(shape, np.int64)
            layers.append(layer)
        layer[labels[concept]] = concept + 1
    return np.array(layers).reshape(-1, *shape)


def light_tally(
    maps: np.ndarray, thresholds: np.ndarray, layers: np.ndarray, category: np.ndarray, intersection: np.ndarray
) -> None:
    """Tally one image as the light re-implementation of network dissection does: a loop over units, in PIL and numpy.

    Parameters
    ----------
    maps : float32 ndarray of shape (units, height, width)
        Raw maps of the image.
    thresholds : float32 ndarray of shape (units,)
        T of each unit.
    layers : int64 ndarray of shape (layers, rows, columns)
        From `layer_labels`.
    category : int64 ndarray of shape (concepts + 1,)
        Category of each label, 0 for label 0.
    intersection : int64 ndarray of shape (units, concepts + 1)
        Added to in place.
    """
    rows, columns = layers.shape[1:]
    activated = np.zeros((len(maps), category.max() + 1), np.int64)
    for unit, raw in enumerate(maps):
        if raw.max() > thresholds[unit]:
            up = np.asarray(Image.fromarray(raw).resize((columns, rows), Image.Resampling.BILINEAR))
            pixels = np.argwhere(up > thresholds[unit])
            counts = np.bincount(layers[:, pixels[:, 0], pixels[:, 1]].ravel(), minlength=len(category))
            intersection[unit] += counts
            activated[unit, np.unique(category[counts > 0])] += len(pixels)


def survey_mask(
    raw: np.ndarray,
    threshold: float,
    shape: tuple[int, int],
    extent: tuple[int, int],
    centre: tuple[float, float],
    stride: tuple[float, float],
    size: tuple[float, float],
) -> np.ndarray:
    """Union of the receptive-field boxes of the values above the threshold; a mask pixel is in if its centre is."""
    out = np.zeros(shape, bool)
    for i, j in np.argwhere(raw > threshold):
        inside = []
        for axis, position in enumerate((i, j)):
            low = centre[axis] + position * stride[axis] - size[axis] / 2
            places = [(pixel + 0.5) * extent[axis] / shape[axis] - 0.5 for pixel in range(shape[axis])]
            inside.append([low <= place < low + size[axis] for place in places])
        out |= np.outer(*inside)
    return out


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks, 0 where both are empty."""
    return float((one & other).sum() / (one | other).sum()) if (one | other).any() else 0.0


def part_matches(
    activated: np.ndarray,
    labels: list[dict[int, np.ndarray]],
    parts: int,
    iou: Fraction,
    ignored: list[dict[int, np.ndarray]] | None = None,
) -> list[int]:
    """Images on which the IoU of one unit's mask with each part is above the cut-off, over pixels that are not ignored."""
    count = [0] * parts
    for mask, masks, unknown in zip(activated, labels, ignored or [{}] * len(labels), strict=True):
        for part, label in masks.items():
            known = ~unknown.get(part, np.zeros_like(mask))
            both, either = int((mask & label & known).sum()), int(((mask | label) & known).sum())
            count[part] += either > 0 and Fraction(both, either) > iou
    return count
