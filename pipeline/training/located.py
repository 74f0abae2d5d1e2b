"""Where filters fire beside landmarks, on the views held out of a training: rows as the method `location` writes them."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from filterscope.operators.location.location_instability import (
    PROTOCOLS,
    Comparison,
    Steadiness,
    columns_of,
    compare,
    crop_centre,
    field_centres,
    steadiness,
    uniform_positions,
)
from filterscope.operators.location.triggering import triggered_among
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from filterscope.pipeline.models.field import Field
from filterscope.pipeline.views.landmarks import ViewLandmarks
from filterscope.schemas.results import TABLES

_SURVEY, _LEVEL = PROTOCOLS["survey"], 0.05


def located(
    maps: np.ndarray,
    views: np.ndarray,
    groups: np.ndarray,
    category: np.ndarray,
    names: Sequence[str],
    landmarks: ViewLandmarks,
    field: Field,
    extent: tuple[int, int],
    model: str,
    layer: str,
) -> Iterator[pa.Table]:
    """Yield the rows of the table `location_instability` of a layer, one table for each category and landmark.

    Parameters
    ----------
    maps : float32 ndarray of shape (n, units, h, w)
        On n views.
    views, groups : int ndarray of shape (n,)
        Numbers of the views, and of the group of images that each is of.
    category : int64 ndarray of shape (n,)
        Category of each; -1 where it has none.
    names : sequence of str
        Names of the categories.
    landmarks : ViewLandmarks
        Of all views.
    field : Field
        Receptive field of the layer.
    extent : (int, int)
        Height and width of the input.
    model, layer : str
        As the rows state them.
    """
    flat = maps.reshape(*maps.shape[:2], -1)
    highest = flat.max(axis=2)
    constant = highest == flat.min(axis=2)
    position = flat.argmax(axis=2)
    for number, name in enumerate(names):
        for landmark, called in enumerate(landmarks.names):
            rows, place, left_out = _seen(landmarks, landmark, views, category == number)
            if not len(rows):
                continue
            strength = np.where(constant[rows], -np.inf, highest[rows])
            order = np.argsort(-strength, axis=0, kind="stable")[: _SURVEY.images].T
            chosen = rows[order]
            unit = np.arange(maps.shape[1])[:, None]
            places = field_centres(position[chosen, unit], maps.shape[3], field.centre, field.stride)
            places[constant[chosen, unit]] = np.nan
            seed = seed_of("uniform", model, layer)
            uniform = uniform_positions(unit, views[chosen], seed, extent)
            fixed = np.broadcast_to(crop_centre(extent), uniform.shape)
            weights = poisson_weights(_SURVEY.images, seed_of("location_instability", "bootstrap"))
            found = compare(
                places, place[order], np.stack([fixed, uniform], axis=2), groups[chosen].astype(np.int64), extent, _SURVEY,
                weights,
            )  # fmt: skip
            hits = triggered_among(np.take_along_axis(strength, order.T, 0).T)
            triggered = steadiness(places, np.where(hits[..., None], place[order], np.nan), extent, _SURVEY)
            yield _rows(model, layer, name, called, found, triggered, constant[rows].sum(axis=0), left_out)


def _seen(
    landmarks: ViewLandmarks, landmark: int, views: np.ndarray, mine: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Return rows of views that show a landmark once, y and x there, and how many show it more than once, or outside."""
    of = np.flatnonzero(landmarks.landmark == landmark)
    row = np.searchsorted(views, landmarks.view[of]).clip(max=len(views) - 1)
    here = (views[row] == landmarks.view[of]) & mine[row]
    of, row = of[here], row[here]
    once = landmarks.inside[of] & (landmarks.instances[of] == 1)
    repeated, outside = (
        len(np.unique(row[test])) for test in (landmarks.instances[of] > 1, landmarks.instances[of] == 0)
    )
    place = np.stack([landmarks.y[of], landmarks.x[of]], axis=1)
    return row[once], place[once], (repeated, outside)


def _rows(
    model: str, layer: str, category: str, landmark: str, found: Comparison, triggered: Steadiness, constant: np.ndarray,
    left_out: tuple[int, int],
) -> pa.Table:  # fmt: skip
    count = len(found.images)
    numbers = {
        **columns_of(found, triggered),
        "fixed": found.baselines[:, 0],
        "uniform": found.baselines[:, 1],
        "p_fixed": found.p_value[:, 0],
        "p_uniform": found.p_value[:, 1],
    }
    columns = {
        "model": [model] * count,
        "layer": [layer] * count,
        "unit": np.arange(count, dtype=np.int32),
        "category": [category] * count,
        "landmark": [landmark] * count,
        "protocol": [_SURVEY.name] * count,
        "images": found.images.astype(np.int32),
        **{name: pa.array(values, mask=np.isnan(values)) for name, values in numbers.items()},
        "beats_fixed": found.p_value[:, 0] < _LEVEL,
        "beats_uniform": found.p_value[:, 1] < _LEVEL,
        "no_maximum": constant.astype(np.int32),
        "repeated": np.full(count, left_out[0], np.int32),
        "outside": np.full(count, left_out[1], np.int32),
    }
    schema = TABLES["location_instability"]
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


__all__ = ["located"]
