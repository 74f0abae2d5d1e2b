"""What tools for drawing on images have in common: shapes with a label, as concepts, objects and landmarks.

Coordinates are those of the canvas: 0 is the left or upper edge of the first pixel, so that a point moves by half a pixel.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pycocotools import mask as rle

from filterscope.pipeline.datasets.landmarks import box_inside, point_inside
from filterscope.pipeline.datasets.layout import DatasetWriter, encode_mask
from filterscope.pipeline.datasets.reading import BadRowError, is_ignored
from filterscope.pipeline.datasets.regions import box_pixels, encode_region

Points = Sequence[tuple[float, float]]


@dataclass
class Shapes:
    """Shapes of one image, added one by one and written at the end.

    Regions of a label in an image make one segment, their union; those of a label and group are one object. A box is an object
    and no concept: if no region of its label and group says which of its pixels are, they are ignored for the label. What is
    labelled `__ignore__`, `void` or the like is ignored for all. Points belong to the one object of their group, or the image.
    """

    writer: DatasetWriter
    image: int
    _masks: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    _boxes: dict[tuple[str, str], list[tuple[float, ...]]] = field(default_factory=lambda: defaultdict(list))
    _points: list[tuple[str, str, float, float]] = field(default_factory=list)
    _drawn: set[tuple[str, str]] = field(default_factory=set)

    def polygon(self, label: str, points: Points, group: str) -> None:
        """Add a filled outline; raises BadRowError as the others do."""
        flat = [number for point in points for number in point]
        if len(flat) < 6 or not all(map(math.isfinite, flat)):
            raise BadRowError(f"a polygon needs three points with finite numbers, received {len(points)}")
        self._region(label, encode_region([flat], *self.writer.size(self.image)), group)

    def ellipse(self, label: str, x: float, y: float, radii: tuple[float, float], turn: float, group: str) -> None:
        """Add an ellipse about x, y, turned by degrees clockwise."""
        angle, around = math.radians(turn), np.linspace(0, 2 * np.pi, 72, endpoint=False)
        across, down = radii[0] * np.cos(around), radii[1] * np.sin(around)
        xs = x + across * math.cos(angle) - down * math.sin(angle)
        ys = y + across * math.sin(angle) + down * math.cos(angle)
        self.polygon(label, list(zip(xs.tolist(), ys.tolist(), strict=True)), group)

    def mask(self, label: str, mask: np.ndarray, left: int, top: int, group: str) -> None:
        """Add a mask (bool, shape (h, w)) whose first pixel lies at left, top."""
        height, width = self.writer.size(self.image)
        if min(left, top) < 0 or top + mask.shape[0] > height or left + mask.shape[1] > width or not mask.any():
            raise BadRowError(
                f"a mask of {mask.shape[0]} x {mask.shape[1]} at {left}, {top} is empty or leaves the image"
            )
        whole = np.zeros((height, width), bool)
        whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        self._region(label, {"size": [height, width], "counts": encode_mask(whole)}, group)

    def box(self, label: str, corners: Points, group: str) -> None:
        """Add the box around some corners."""
        xs, ys = zip(*corners, strict=True)
        if not all(map(math.isfinite, (*xs, *ys))):
            raise BadRowError("a box needs finite numbers")
        box = box_inside((min(xs), min(ys), max(xs), max(ys)), *self.writer.size(self.image))
        self._boxes[label, group].append(box)

    def point(self, label: str, x: float, y: float, group: str) -> None:
        """Add a landmark."""
        self._points.append((label, group, *point_inside(x - 0.5, y - 0.5, *self.writer.size(self.image))))

    def lost(self, label: str, points: Points) -> None:
        """Ignore for a label the extent of a shape that is rejected, or the whole image if that is not known."""
        extent = [bound(values) for bound in (min, max) for values in zip(*points, strict=True)]
        known = bool(extent) and all(map(math.isfinite, extent))
        self._ignore(label, box_pixels(tuple(extent), *self.writer.size(self.image)) if known else None)

    def write(self) -> None:
        """Write what was added."""
        of_group: dict[str, list[int]] = defaultdict(list)
        for (label, group), boxes in self._boxes.items():
            x0, y0, x1, y1 = zip(*boxes, strict=True)
            box = min(x0), min(y0), max(x1), max(y1)
            if (label, group) not in self._drawn:
                self._ignore(label, box_pixels(box, *self.writer.size(self.image)))
            if not is_ignored(label):
                of_group[group].append(self.writer.object(self.image, label, box))
        for label, parts in self._masks.items():
            mask = rle.decode(rle.merge(parts)).astype(bool)
            if is_ignored(label):
                self._ignore(label, mask)
            else:
                self.writer.segment(self.image, self.writer.concept(label, "object"), mask)
        for label, group, x, y in self._points:
            owners = of_group[group]
            self.writer.landmark(self.image, owners[0] if len(owners) == 1 else None, label, x, y)

    def _ignore(self, label: str, pixels: np.ndarray | None) -> None:
        if is_ignored(label):
            self.writer.ignore(self.image, pixels, categories=("object",))
        else:
            self.writer.ignore(self.image, pixels, concept=label)

    def _region(self, label: str, mask: dict[str, Any], group: str) -> None:
        self._masks[label].append(mask)
        self._drawn.add((label, group))
        x, y, width, height = rle.toBbox(mask).tolist()
        self._boxes[label, group].append((x, y, x + width, y + height))


__all__ = ["Points", "Shapes"]
