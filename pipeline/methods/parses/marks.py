"""Landmarks in boxes: which lie in a leaf, and how steady the leaf's centre is to them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.parses.parsed import Parsed
from filterscope.pipeline.methods.tasks import LayerTask
from filterscope.pipeline.views.landmarks import landmarks_in_views


@dataclass(frozen=True)
class Marks:
    """Landmarks of n boxes.

    Attributes
    ----------
    names : list of str
        The landmarks.
    place : float64 ndarray of shape (n, landmarks, 2)
        Column and row in the box, as shares of its sides; NaN where a box has none, or several.
    """

    names: list[str]
    place: np.ndarray

    def row(self, own: np.ndarray, every: np.ndarray, rectangle: np.ndarray, k: int) -> dict[str, Any]:
        """Return columns of `parse_nodes` for a leaf of the boxes `own` among `every` box of a category."""
        top, left, bottom, right = (rectangle / k).tolist()
        x, y = self.place[..., 0], self.place[..., 1]
        with np.errstate(invalid="ignore"):
            inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        known = ~np.isnan(x)
        counts = known[own].sum(axis=0)
        if not counts.any():
            return {}
        shares = np.where(counts > 0, inside[own].sum(axis=0) / np.maximum(counts, 1), -1.0)
        best = int(shares.argmax())
        centre = np.array([(left + right) / 2, (top + bottom) / 2])
        distance = np.sqrt(((self.place[:, best] - centre) ** 2).sum(axis=1) / 2)
        return {
            "landmark": self.names[best],
            "inside": float(shares[best]),
            "inside_any": float(inside[every, best].sum() / known[every, best].sum()),
            "instability": float(np.nanstd(distance[own])),
            "fixed": float(np.nanstd(distance[every])),
        }


def marked(task: LayerTask, found: Parsed) -> Marks:
    """Return the landmarks of held-out boxes, in shares of each box."""
    plan, dataset = task.plan, Dataset(task.plan.data)
    if not dataset.rows("landmarks"):
        return Marks([], np.zeros((len(found.row), 0, 2)))
    geometry = task.model.geometry(plan.options.geometry)
    points = landmarks_in_views(dataset, plan.views, geometry)
    height, width = geometry.size
    place = np.full((len(found.row), len(points.names), 2), np.nan)
    order = np.argsort(points.view, kind="stable")
    view, landmark = points.view[order], points.landmark[order]
    x, y = ((points.x + 0.5) / width)[order], ((points.y + 0.5) / height)[order]
    for row, number in enumerate(found.row.tolist()):
        here = slice(*np.searchsorted(view, [found.boxes.view[number], found.boxes.view[number] + 1]))
        left, top, right, bottom = found.boxes.box[number]
        u, v = (x[here] - left) / (right - left), (y[here] - top) / (bottom - top)
        inside = (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
        own = landmark[here][inside]
        alone = np.bincount(own, minlength=len(points.names))[own] == 1
        place[row, own[alone], 0], place[row, own[alone], 1] = u[inside][alone], v[inside][alone]
    return Marks(points.names, place)


__all__ = ["Marks", "marked"]
