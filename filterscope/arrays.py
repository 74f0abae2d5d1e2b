"""`filterscope.dissect`: network dissection of arrays in memory, without networks, data sets or runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from filterscope.operators.activations.quantile import add_to_histogram, empty_histogram, moments, upper_quantile
from filterscope.operators.dissection.anchoring import Axis, resize_axis
from filterscope.operators.dissection.labels import Labels
from filterscope.operators.dissection.masks import Regions, leave_out, mask_block
from filterscope.operators.dissection.scores import DETECTOR_IOU, Scores, best_concept, score, unit_status
from filterscope.operators.dissection.tally import Tally, add_to_tally, half_values
from filterscope.operators.numerics.half import settle
from filterscope.operators.numerics.scale import lost, peak, scale_for, written
from filterscope.pipeline.engine.errors import InputError

if TYPE_CHECKING:
    import polars as pl

#: Images and units that are tallied at once, so that memory stays small.
_IMAGES, _UNITS = 64, 128


@dataclass(frozen=True, eq=False)
class Dissection:
    """What U units detect of C concepts.

    Attributes
    ----------
    concepts : tuple of str
        Concept of each column.
    thresholds : float32 ndarray of shape (U,)
        T of each unit.
    status : tuple of str
        live, dead or saturated, for each unit.
    iou : float64 ndarray of shape (U, C)
        Data-set IoU of every unit and concept.
    best : tuple of (str or None)
        Eligible concept of highest IoU, for each unit; ties go to the first.
    best_iou : float64 ndarray of shape (U,)
        Its IoU, 0 where there is none.
    scores : Scores
        All that an audit computes of a pair: intersection, association, lift, standard error.
    """

    concepts: tuple[str, ...]
    thresholds: np.ndarray
    status: tuple[str, ...]
    iou: np.ndarray
    best: tuple[str | None, ...]
    best_iou: np.ndarray
    scores: Scores

    def frame(self) -> "pl.DataFrame":
        """Return a row for each unit, with the names that the table `units` has."""
        import polars as pl

        return pl.DataFrame(
            {
                "unit": np.arange(len(self.thresholds), dtype=np.int32),
                "status": list(self.status),
                "threshold": self.thresholds,
                "concept": pl.Series(self.best, dtype=pl.String),
                "iou": self.best_iou,
                "detector": self.best_iou > DETECTOR_IOU,
            }
        )

    def pairs(self) -> "pl.DataFrame":
        """Return a row for each unit and concept, with the columns of the table `unit_concept`; NaN is null."""
        import polars as pl

        units, count = self.iou.shape
        columns = {name: values.ravel() for name, values in vars(self.scores).items()}
        frame = pl.DataFrame(
            {
                "unit": np.repeat(np.arange(units, dtype=np.int32), count),
                "concept": list(self.concepts) * units,
                **columns,
            }
        )
        return frame.with_columns(pl.selectors.float().fill_nan(None))


def dissect(
    activations: Any,
    masks: Any,
    *,
    quantile: float = 0.005,
    anchoring: str | tuple[Axis, Axis] = "resize",
    concepts: Sequence[str] | None = None,
    categories: Mapping[str, str] | None = None,
    min_images: int = 1,
    ignored: Any = None,
) -> Dissection:
    """Dissect activations against masks that are in memory: thresholds, IoU and labels as an audit computes them.

    Parameters
    ----------
    activations : array or tensor of shape (images, U, h, w), float16, float32 or float64
        Raw maps. An audit stores them as float16 and computes all from that, exactly; so what is wider is rounded to
        float16 first. NaN, and numbers beyond 65504, are refused.
    masks : bool array or tensor of shape (images, C, H, W), or mapping of str to bool array of shape (images, H, W)
        Labelled pixels; maps are upsampled to H x W. (An audit uses half the size of the network's input.)
    quantile : float
        Probability of an activation above the threshold.
    anchoring : "resize" or tuple of 2 Axis
        How map positions lie on the mask: resized to it, or by `operators.dissection.anchoring.receptive_field_axis`.
    concepts : sequence of str, optional
        Names of the concepts of an array of masks; by default "0", "1", ...
    categories : mapping of str to str, optional
        Category of each concept; by default all have the same. Activated pixels count where an image has a label of the
        concept's category, for elsewhere nothing was annotated (Bau et al. 2017, equation 1): with one category, give
        images without any label a concept such as "background" if they should count.
    min_images : int
        Images that a concept must be in to label a unit; an audit asks for 10.
    ignored : bool array or tensor of shape (images, H, W) or (images, C, H, W), optional
        Pixels of which it is not known what they are, or whether they are a concept: they count in no sum.

    Returns
    -------
    Dissection
        Numbers of each unit and pair.

    Raises
    ------
    InputError
        If a shape, a kind of number or an option is not as described.
    """
    maps = _activations(activations)
    stack, names = _masks(masks, concepts)
    _refuse(len(maps), len(stack), quantile, min_images)
    axes = _axes(anchoring, maps.shape[2:], stack.shape[2:])
    category = _numbered(names, categories)
    labels = Labels.empty(len(names), int(category.max()) + 1, stack.shape[2:])
    thresholds, status, tallies = _tally_all(maps, _regions(stack, ignored, category), axes, category, quantile, labels)
    scores = _scores(tallies, labels, category)
    best = best_concept(scores.iou, labels.concepts[:, 0] >= min_images)
    label = tuple(None if number < 0 else names[number] for number in best.concept.tolist())
    return Dissection(names, thresholds, status, scores.iou, label, best.score, scores)


def _scores(tallies: list[Tally], labels: Labels, category: np.ndarray) -> Scores:
    """Return the scores of blocks of units as one."""
    scored = [score(tally, labels, category) for tally in tallies]
    return Scores(*(np.concatenate([getattr(part, name) for part in scored]) for name in vars(scored[0])))


def _refuse(images: int, masks: int, quantile: float, min_images: int) -> None:
    if masks != images:
        raise InputError(f"activations are of {images} images and masks of {masks}; pass the same images, in order")
    if not isinstance(min_images, Integral) or min_images < 0:
        raise InputError(f"min_images: received {min_images!r}; expected a number of images, such as 10")
    if not isinstance(quantile, Real) or not 0 < quantile < 1:
        raise InputError(f"quantile: received {quantile!r}; expected a probability between 0 and 1, such as 0.005")


def _regions(stack: np.ndarray, ignored: Any, category: np.ndarray) -> list[Regions]:
    """Return the labels of each image, and ignored regions beside them."""
    labels: list[Regions] = [dict(enumerate(image)) for image in stack]
    if ignored is None:
        return labels
    given, count = _array(ignored), len(category)
    if given.shape not in (stack.shape, (len(stack), *stack.shape[2:])) or given.dtype != bool:
        raise InputError(
            f"ignored: received {given.dtype} of shape {given.shape}; expected bool of shape "
            f"{(len(stack), *stack.shape[2:])}, or {stack.shape} for each concept its own"
        )
    own = given.ndim == stack.ndim
    numbers = count + np.arange(count) if own else 2 * count + np.arange(category.max() + 1)
    regions = (dict(zip(numbers.tolist(), image if own else [image] * len(numbers), strict=True)) for image in given)
    return [leave_out(*both, category) for both in zip(labels, regions, strict=True)]


def _tally_all(
    maps: np.ndarray,
    regions: list[Regions],
    axes: tuple[Axis, Axis],
    category: np.ndarray,
    quantile: float,
    labels: Labels,
) -> tuple[np.ndarray, tuple[str, ...], list[Tally]]:
    """Return thresholds and status of all units and a tally of each block of them; count the labels."""
    found = [
        _tallied(maps[:, start : start + _UNITS], regions, axes, category, quantile, None if start else labels)
        for start in range(0, maps.shape[1], _UNITS)
    ]
    thresholds, status, tallies = zip(*found, strict=True)
    return np.concatenate(thresholds), tuple(str(word) for words in status for word in words), list(tallies)


def _tallied(
    maps: np.ndarray,
    regions: list[Regions],
    axes: tuple[Axis, Axis],
    category: np.ndarray,
    quantile: float,
    labels: Labels | None,
) -> tuple[np.ndarray, np.ndarray, Tally]:
    """Return thresholds, status and tally of a block of units; count the labels on the way, where they are given."""
    units, shape = maps.shape[1], (len(axes[0].lower), len(axes[1].lower))
    counts, half = empty_histogram(units), half_values()
    add_to_histogram(counts, maps)
    threshold, spread = upper_quantile(counts, quantile), moments(counts)
    tally = Tally.empty(units, len(category), int(category.max()) + 1, shape)
    for start in range(0, len(maps), _IMAGES):
        part, block = maps[start : start + _IMAGES], mask_block(regions[start : start + _IMAGES], *shape)
        maxima = part.max(axis=(2, 3)).astype(np.float32)
        add_to_tally(tally, part, maxima, threshold, block, category, *axes, half)
        if labels is not None:
            labels.add(block, category)
    return threshold, unit_status(spread.minimum, spread.maximum, threshold), tally


def _array(values: Any) -> np.ndarray:
    """Return a tensor or whatever numpy takes as an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            values = values.float()
    return np.asarray(values)


def _activations(values: Any) -> np.ndarray:
    """Return activations as an audit stores them."""
    given = _array(values)
    if given.ndim != 4 or 0 in given.shape:
        raise InputError(
            f"activations: received shape {given.shape}; expected (images, units, height, width), none of them 0"
        )
    if given.dtype not in (np.float16, np.float32, np.float64):
        raise InputError(f"activations: received {given.dtype}; expected float16, float32 or float64")
    with np.errstate(over="ignore"):  # told below
        maps = np.array(given, np.float16, order="C")
    finite, _ = settle(maps)
    if not finite.all():
        broken = int(np.flatnonzero(~finite)[0])
        raise InputError(
            f"activations hold NaN, infinity or numbers beyond 65504, the largest float16, in {int((~finite).sum())} of "
            f"{len(maps)} images, first in image {broken}; multiply them by a power of two such as 0.0625 first, which changes "
            "thresholds alone"
        )
    if counts := lost(given):
        values, zero, few = counts
        raise InputError(
            f"activations are too small for float16: of {values:,} that are not 0, {zero:,} become 0 and {few:,} lose digits; "
            f"multiply them by {written(scale_for([peak(given)]))} first, which changes thresholds alone"
        )
    return maps


def _masks(masks: Any, concepts: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return masks as bool of shape (images, C, H, W), and the name of each concept."""
    if isinstance(masks, Mapping):
        if concepts is not None:
            raise InputError("masks name their concepts already; drop concepts=")
        concepts, each = list(masks), [_array(mask) for mask in masks.values()]
        shapes = sorted({mask.shape for mask in each})
        if len(shapes) != 1 or len(shapes[0]) != 3:
            raise InputError(f"masks: received shapes {shapes}; expected one (images, height, width) for all concepts")
        stack = np.stack(each, axis=1)
    else:
        stack = _array(masks)
    if stack.ndim != 4 or 0 in stack.shape:
        raise InputError(
            f"masks: received shape {stack.shape}; expected (images, concepts, height, width), none of them 0"
        )
    if stack.dtype != bool:
        raise InputError(f"masks: received {stack.dtype}; expected bool, such as `masks > 0`")
    names = tuple(map(str, range(stack.shape[1]) if concepts is None else concepts))
    if len(names) != stack.shape[1] or len(set(names)) != len(names):
        raise InputError(f"concepts: received {len(set(names))} different names for {stack.shape[1]} masks per image")
    return stack, names


def _axes(anchoring: str | tuple[Axis, Axis], positions: tuple[int, ...], size: tuple[int, ...]) -> tuple[Axis, Axis]:
    if not isinstance(anchoring, str):
        rows, columns = anchoring
        sampled = (len(rows.lower), len(columns.lower)), (len(rows.first) - 1, len(columns.first) - 1)
        if sampled != (size, positions):
            raise InputError(
                f"anchoring samples maps {sampled[1]} to masks {sampled[0]}; these are {positions} and {size}"
            )
        return rows, columns
    if anchoring != "resize":
        raise InputError(f"anchoring: received {anchoring!r}; expected 'resize', or two axes of receptive fields")
    return resize_axis(positions[0], size[0]), resize_axis(positions[1], size[1])


def _numbered(names: tuple[str, ...], categories: Mapping[str, str] | None) -> np.ndarray:
    """Return the number of each concept's category."""
    if categories is None:
        return np.zeros(len(names), np.int64)
    missing = [name for name in names if name not in categories]
    if missing:
        raise InputError(f"categories: received none for {', '.join(map(repr, missing))}; name one for every concept")
    order = sorted({categories[name] for name in names})
    return np.array([order.index(categories[name]) for name in names], np.int64)


__all__ = ["Dissection", "dissect"]
