"""Which views show which landmark exactly once, and what is left out: what location instability is measured on."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.views.geometry import Geometry
from filterscope.pipeline.views.landmarks import ViewLandmarks, landmarks_in_views
from filterscope.pipeline.views.views import Views, ViewSettings, open_views


@dataclass(frozen=True)
class Sightings:
    """Views that show a landmark exactly once, by view and then by stratum; a stratum is a category and a landmark.

    Attributes
    ----------
    strata : list of (str or None, str)
        Category of the views' objects (None: whole images) and landmark, in order.
    view : int32 ndarray of shape (n,)
        Number of the view, ascending.
    stratum : int32 ndarray of shape (n,)
        Index into `strata`.
    place : float64 ndarray of shape (n, 2)
        y and x of the landmark in the network input, in pixels.
    size : float64 ndarray of shape (n, 2)
        Height and width of its box there; NaN for points.
    repeated : int64 ndarray of shape (strata,)
        Views left out because they show the landmark more than once.
    outside : int64 ndarray of shape (strata,)
        Views left out because their landmark lies outside what the network sees.
    """

    strata: list[tuple[str | None, str]]
    view: np.ndarray
    stratum: np.ndarray
    place: np.ndarray
    size: np.ndarray
    repeated: np.ndarray
    outside: np.ndarray

    @classmethod
    def of(cls, views: Views, landmarks: ViewLandmarks) -> "Sightings":
        """Sort the landmarks of all views; whole images that hold no object of their own have no category."""
        found = zip(landmarks.view.tolist(), landmarks.landmark.tolist(), strict=True)
        pairs = [(views.category[view], landmarks.names[number]) for view, number in found]
        strata = sorted(set(pairs), key=lambda pair: (pair[0] or "", pair[1]))
        number = {pair: index for index, pair in enumerate(strata)}
        stratum = np.array([number[pair] for pair in pairs], np.int32)
        once = landmarks.inside & (landmarks.instances == 1)
        order = np.flatnonzero(once)[np.lexsort((stratum[once], landmarks.view[once]))]
        place = np.stack([landmarks.y, landmarks.x], axis=1)
        return cls(
            strata,
            landmarks.view[order],
            stratum[order],
            place[order],
            landmarks.size[order],
            _views_of(landmarks.view, stratum, landmarks.instances > 1, len(strata)),
            _views_of(landmarks.view, stratum, landmarks.instances == 0, len(strata)),
        )

    def members(self, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the strata of some views (ascending), as `operators.activations.peaks.add_to_peaks` takes them."""
        low, high = (np.searchsorted(self.view, views, side) for side in ("left", "right"))
        first = np.append(0, np.cumsum(high - low)).astype(np.int64)
        rows = np.arange(first[-1]) + np.repeat(low - first[:-1], high - low)
        return first, self.stratum[rows]

    def places(self, stratum: int, views: np.ndarray) -> np.ndarray:
        """Return y and x of a landmark in some views, in any shape (...): (..., 2); NaN where it is not seen once."""
        return self._looked_up(self.place, stratum, views)

    def sizes(self, stratum: int, views: np.ndarray) -> np.ndarray:
        """Return height and width of a landmark's box, as `places`; NaN where it has none, too."""
        return self._looked_up(self.size, stratum, views)

    def _looked_up(self, values: np.ndarray, stratum: int, views: np.ndarray) -> np.ndarray:
        mine = np.flatnonzero(self.stratum == stratum)
        here = np.searchsorted(self.view[mine], views).clip(max=max(len(mine) - 1, 0))
        found = np.full((*views.shape, 2), np.nan)
        if len(mine):
            rows = mine[here]
            found[self.view[rows] == views] = values[rows][self.view[rows] == views]
        return found


def _views_of(view: np.ndarray, stratum: np.ndarray, chosen: np.ndarray, strata: int) -> np.ndarray:
    pairs = np.unique(np.stack([view[chosen], stratum[chosen]]), axis=1)
    return np.bincount(pairs[1], minlength=strata)


@lru_cache(maxsize=4)
def open_sightings(folder: Path, identity: str, settings: ViewSettings, geometry: Geometry) -> Sightings:
    """Return the sightings of a data set, once per process; `identity` tells apart what the folder held at different times."""
    views = open_views(folder, identity, settings)
    return Sightings.of(views, landmarks_in_views(Dataset(folder), views, geometry))


__all__ = ["Sightings", "open_sightings"]
