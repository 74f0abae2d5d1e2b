"""Landmarks where the network sees them: in the pixels of each view's input."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.views.geometry import Geometry
from filterscope.pipeline.views.views import Views


@dataclass(frozen=True)
class ViewLandmarks:
    """Landmarks of views, one row per point, by view and then by landmark.

    Attributes
    ----------
    names : list of str
        Landmarks of the data set, by name.
    view : int32 ndarray of shape (n,)
        Number of the view.
    landmark : int32 ndarray of shape (n,)
        Index into `names`.
    x, y : float64 ndarray of shape (n,)
        Position in the network input, in pixels; 0 is the centre of the leftmost or topmost pixel.
    inside : bool ndarray of shape (n,)
        Whether the network sees it.
    instances : int32 ndarray of shape (n,)
        Points of this landmark that the network sees in this view: 0 where all are outside, 2 where two animals share
        a box.
    size : float64 ndarray of shape (n, 2)
        Height and width of the part's box in pixels of the network input; NaN for points without a box.
    """

    names: list[str]
    view: np.ndarray
    landmark: np.ndarray
    x: np.ndarray
    y: np.ndarray
    inside: np.ndarray
    instances: np.ndarray
    size: np.ndarray


def landmarks_in_views(dataset: Dataset, views: Views, geometry: Geometry) -> ViewLandmarks:
    """Map the landmarks of a data set into the network input of every view.

    A whole image has all its landmarks. An object's crop has those of the object, and those of the image that belong to
    no object, whether they fall inside the box or not, but none of another object.

    Parameters
    ----------
    dataset : Dataset
        Where the landmarks are.
    views : Views
        The views of the run.
    geometry : Geometry
        How the views are fitted to the network.
    """
    table = dataset.table("landmarks").to_pydict()
    names = sorted(set(table["landmark"]))
    number = {name: index for index, name in enumerate(names)}
    landmark = np.array([number[name] for name in table["landmark"]], np.int32)
    owner = np.array([-1 if item is None else item for item in table["object"]], np.int32)
    x, y, wide, high = (np.array(table[name], np.float64) for name in ("x", "y", "width", "height"))
    of_image: dict[int, list[int]] = defaultdict(list)
    for row in np.lexsort((np.arange(len(landmark)), landmark)).tolist():
        of_image[table["image"][row]].append(row)

    heights, widths = (dataset.images[name].to_pylist() for name in ("height", "width"))
    pieces = [(np.zeros(0, np.int32), np.zeros(0, np.int32), *(np.zeros(0) for _ in range(4)))]
    for view, (image, window) in enumerate(views.windows(0, len(views))):
        rows = np.array(of_image.get(image, ()), np.int64)
        if views.object[view] >= 0:
            rows = rows[np.isin(owner[rows], (-1, views.object[view]))]
        if len(rows):
            place, image_size = (x[rows], y[rows]), (heights[image], widths[image])
            seen = geometry.points(*place, image_size, window)
            corner = geometry.points(place[0] + wide[rows], place[1] + high[rows], image_size, window)
            size = (np.abs(corner[axis] - seen[axis]) for axis in (1, 0))
            pieces.append((np.full(len(rows), view, np.int32), landmark[rows], *seen, *size))
    columns = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    inside = _inside(columns[2], geometry.size[1]) & _inside(columns[3], geometry.size[0])
    instances = _instances(columns[0], columns[1], inside, len(names))
    of_view, of_landmark, of_x, of_y = columns[:4]
    extent = np.stack(columns[4:], axis=1)
    return ViewLandmarks(names, of_view, of_landmark, of_x, of_y, inside, instances, extent)


def _inside(values: np.ndarray, size: int) -> np.ndarray:
    return (values >= -0.5) & (values < size - 0.5)


def _instances(view: np.ndarray, landmark: np.ndarray, inside: np.ndarray, names: int) -> np.ndarray:
    _, group = np.unique(view.astype(np.int64) * max(names, 1) + landmark, return_inverse=True)
    return np.bincount(group, weights=inside, minlength=1)[group].astype(np.int32)


__all__ = ["ViewLandmarks", "landmarks_in_views"]
