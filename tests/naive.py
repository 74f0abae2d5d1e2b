"""Slow twins: every kernel written again from its formula, one value at a time."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
from PIL import Image


def color_name(red: int, green: int, blue: int) -> str:
    """Name one colour by the table of `operators.images.colors`, in exact fractions."""
    value = max(red, green, blue)
    chroma = value - min(red, green, blue)
    saturation = Fraction(chroma, value) if value else Fraction(0)
    if chroma == 0:
        hue = 0
    elif red == value:
        hue = math.floor(Fraction(60 * (green - blue), chroma)) % 360
    elif green == value:
        hue = math.floor(120 + Fraction(60 * (blue - red), chroma))
    else:
        hue = math.floor(240 + Fraction(60 * (red - green), chroma))
    reddish, orangish = hue >= 345 or hue < 15, 15 <= hue < 45
    rows = (
        (value < 56, "black"),
        ((chroma < 34 or saturation < Fraction(15, 100)) and value >= 216, "white"),
        (chroma < 34 or saturation < Fraction(15, 100), "grey"),
        (reddish and value >= 176 and saturation < Fraction(55, 100), "pink"),
        (reddish and value < 176 and saturation < Fraction(75, 100), "brown"),
        (reddish, "red"),
        (orangish and saturation < Fraction(45, 100) and value < 232, "brown"),
        (orangish and saturation < Fraction(45, 100) and hue < 30, "pink"),
        (orangish and saturation < Fraction(45, 100), "yellow"),
        (orangish and value < 208, "brown"),
        (orangish, "orange"),
        (hue < 70 and value >= 160, "yellow"),
        (hue < 55, "brown"),
        (hue < 170, "green"),
        (hue < 255, "blue"),
        (hue >= 310 and value >= 176, "pink"),
    )
    return next((name for fits, name in rows if fits), "purple")


def threshold(values: np.ndarray, quantile: float) -> float:
    """Smallest value v of the data with P(x > v) <= quantile."""
    for v in sorted(values.tolist()):
        if sum(x > v for x in values.tolist()) <= quantile * len(values) + 1e-9:
            return v
    raise AssertionError


def upsample(raw: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Bilinear upsampling with half-pixel centres, clamped at the edges: METHODS section 1, `resize`."""
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
    activated: np.ndarray, labels: list[dict[int, np.ndarray]], category: list[int], source: list[int] | None = None
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
    """
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
            both, either = 0, 0
            for v in views:
                label = labels[v].get(c, np.zeros_like(activated[v]))
                both, either = both + int((activated[v] & label).sum()), either + int((activated[v] | label).sum())
                out["a"][c] += int(activated[v].sum())
                out["g"][c] += label.sum()
            pairs.append((both, either))
            if any(c in labels[v] for v in views):
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
        places = sum((masks[c].astype(int) for masks in labels if c in masks), np.zeros(activated.shape[1:], int))
        expected = (activated.sum(axis=0) * places).sum() / images
        out["lift"][c] = out["i"][c] / expected if expected else np.nan
    return out


def inside(contours: list[list[tuple[int, int]]], x: int, y: int) -> bool:
    """Tell whether a point lies inside closed contours: a ray to the left crosses their borders an odd number of times."""
    crossed = 0
    for contour in contours:
        for (x0, y0), (x1, y1) in zip(contour, [*contour[1:], contour[0]], strict=True):
            if (y0 <= y) != (y1 <= y) and x0 + Fraction((y - y0) * (x1 - x0), y1 - y0) <= x:
                crossed += 1
    return crossed % 2 == 1


def layer_labels(labels: dict[int, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Spread the masks of one image over label layers (int64, concept + 1, 0 = none): a layer holds one label a pixel."""
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


def strongest_views(maps: np.ndarray, views: list[int], keep: int, *, keep_constant: bool) -> list[tuple[int, int]]:
    """Strongest views of one unit and their first map position of the maximum, best first, ties by lower view.

    Parameters
    ----------
    maps : ndarray of shape (views of the data set, height, width)
        Raw maps of the unit.
    views : list of int
        The views that may be chosen.
    """
    open_to = [v for v in views if keep_constant or maps[v].min() != maps[v].max()]
    ranked = sorted(open_to, key=lambda v: (-float(maps[v].max()), v))[:keep]
    return [(v, maps[v].ravel().tolist().index(maps[v].max())) for v in ranked]


def location_instability(
    position: np.ndarray, landmark: np.ndarray, extent: tuple[int, int], *, fewest: int, unbiased: bool
) -> tuple[float, float]:
    """Location instability and tracking of one unit from METHODS (g), given (y, x) of n inferences and landmarks.

    Images without a landmark (NaN) are dropped.
    """
    pairs = [(p, k) for p, k in zip(position.tolist(), landmark.tolist(), strict=True) if not math.isnan(k[0])]
    n = len(pairs)
    if n < fewest:
        return math.nan, math.nan
    d = [math.dist(p, k) / math.hypot(*extent) for p, k in pairs]
    deviation = math.sqrt(sum((x - sum(d) / n) ** 2 for x in d) / (n - 1))
    if unbiased:
        deviation /= math.sqrt(2 / (n - 1)) * math.gamma(n / 2) / math.gamma((n - 1) / 2)
    difference = np.array([[k[0] - p[0], k[1] - p[1]] for p, k in pairs])
    moved = np.trace(np.cov(np.array([k for _, k in pairs]).T))
    return deviation, 1 - np.trace(np.cov(difference.T)) / moved if moved else math.nan


def bootstrap_not_better(unit: list[float], baseline: list[float], groups: list[int], weights: np.ndarray) -> int:
    """Count the draws in which a unit's distances vary at least as much as a baseline's; weights (images, draws)."""
    first = [groups.index(group) for group in groups]
    count = 0
    for draw in range(weights.shape[1]):
        times = [int(weights[f, draw]) for f in first]
        drawn = [np.repeat(series, times) for series in (unit, baseline)]
        spread = [((d - d.mean()) ** 2).mean() if len(d) else 0.0 for d in drawn]
        count += spread[0] >= spread[1] - 1e-9
    return count


def permuted_best(
    activated: np.ndarray,
    labels: list[dict[int, np.ndarray]],
    category: list[int],
    eligible: list[int],
    source: list[int],
) -> float:
    """Best IoU of one unit over the eligible concepts, when image i is annotated with the labels of image `source[i]`."""
    given = [labels[number] for number in source]
    return max((dissect(activated, given, category)["iou"][concept] for concept in eligible), default=0.0)


def q_values(observed: list[float], null: list[list[float]]) -> list[float]:
    """Q value of each unit: the smallest share of chance over all cut-offs that it passes; as annotated is one more draw.

    At least the share of draws that would have had as small a q in the observed one's place.
    """
    draws = [observed, *null]

    def share(cutoff: float, draw: list[float]) -> float:
        chance = sum(sum(value >= cutoff for value in other) for other in draws) / len(draws)
        return min(1.0, chance / sum(value >= cutoff for value in draw))

    smallest = [min(share(cutoff, draw) for cutoff in draw) for draw in draws]
    layer = sum(value <= smallest[0] for value in smallest) / len(draws)
    return [max(layer, min(share(cutoff, observed) for cutoff in observed if cutoff <= value)) for value in observed]


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


def part_matches(activated: np.ndarray, labels: list[dict[int, np.ndarray]], parts: int, iou: Fraction) -> list[int]:
    """Images on which the IoU of one unit's mask with each part is above the cut-off."""
    count = [0] * parts
    for mask, masks in zip(activated, labels, strict=True):
        for part, label in masks.items():
            both, either = int((mask & label).sum()), int((mask | label).sum())
            count[part] += either > 0 and Fraction(both, either) > iou
    return count


def empirical_field(
    drops: np.ndarray, extent: tuple[int, int], side: int, step: int, centres: np.ndarray, threshold: float
) -> tuple[int, float, float] | None:
    """Area and centroid minus centre of what occlusion finds, pixel by pixel; centres are whole numbers."""
    corners = [
        (top, left) for top in range(0, extent[0] - side + 1, step) for left in range(0, extent[1] - side + 1, step)
    ]
    means = {}
    for dy in range(-2 * extent[0], 2 * extent[0]):
        for dx in range(-2 * extent[1], 2 * extent[1]):
            seen = []
            for values, centre in zip(drops, centres, strict=True):
                y, x = centre[0] + dy, centre[1] + dx
                over = [
                    value
                    for value, (top, left) in zip(values, corners, strict=True)
                    if top <= y < top + side and left <= x < left + side
                ]
                if over and 0 <= y < extent[0] and 0 <= x < extent[1]:
                    seen.append(sum(over) / len(over))
            if 2 * len(seen) >= len(drops):
                means[dy, dx] = sum(seen) / len(seen)
    largest = max(means.values(), default=0)
    if not largest > 0:
        return None
    field = {place: value for place, value in means.items() if value >= threshold * largest}
    total = sum(field.values())
    return (
        len(field),
        sum(dy * value for (dy, _), value in field.items()) / total,
        sum(dx * value for (_, dx), value in field.items()) / total,
    )


def inside_polygons(polygons, rows, columns):
    """Whether each pixel's centre lies inside by the even-odd rule: count the edges to its right, one by one."""
    inside = np.zeros((rows, columns), bool)
    for row in range(rows):
        for column in range(columns):
            x, y, crossed = (column + 0.5) / columns, (row + 0.5) / rows, 0
            for polygon in polygons:
                for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
                    if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                        crossed += 1
            inside[row, column] = crossed % 2 == 1
    return inside


def rarefied(labelled, bare, drawn):
    """Mean number of distinct labels over all ways to draw units; `labelled` units each, `bare` without."""
    units = [label for label, count in enumerate(labelled) for _ in range(count)] + [None] * bare
    found = [len({units[i] for i in chosen} - {None}) for chosen in combinations(range(len(units)), drawn)]
    return sum(found) / len(found)


def binned(values, bins):
    """Histogram in equal bins from the smallest to the largest value, one value at a time."""
    low, high, found = min(values), max(values), [0] * bins
    for value in values:
        place = 0 if high == low else min(int(bins * ((value - low) / (high - low))), bins - 1)
        found[place] += 1
    return found
