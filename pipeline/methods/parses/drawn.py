"""Parses drawn on the boxes: a box for each of the most frequent trees of a category."""

import io
from typing import Any

import numpy as np

from filterscope.operators.parses.grid import grid_of
from filterscope.pipeline.methods.parses.options import ParsesOptions
from filterscope.pipeline.methods.parses.parsed import Parsed
from filterscope.pipeline.methods.tasks import LayerTask, chosen_views

#: Largest side of a picture in pixels, and the colours of its lines, the inner over the outer.
_SIDE, _OUTER, _INNER = 192, (0, 0, 0), (255, 210, 0)


def pictures(task: LayerTask, found: Parsed) -> list[dict[str, Any]]:
    """Return the rows of `parse_pictures`."""
    most, rows = task.plan.of(ParsesOptions).pictures, []
    for category in np.unique(found.category).tolist():
        mine = np.flatnonzero(found.category == category)
        trees, counts = np.unique(found.tree[mine], return_counts=True)
        for rank, place in enumerate(np.lexsort((trees, -counts)).tolist()[:most]):
            own = mine[found.tree[mine] == trees[place]]
            # where no parse has another, all margins are NaN and the first box is shown
            row = int(own[np.nan_to_num(found.parses.margin[own], nan=-np.inf).argmax()])
            view = int(found.boxes.view[found.row[row]])
            pixels = chosen_views(task.plan, task.model, [view]).pixels[0]
            rows.append(
                {
                    "category": found.boxes.names[category],
                    "rank": rank,
                    "view": view,
                    "predicted": found.boxes.names[found.predicted[row]],
                    "tree": found.trees[found.tree[row]],
                    "share": float(counts[place] / len(mine)),
                    "margin": float(found.parses.margin[row]),
                    "picture": outlined(pixels, found.boxes.box[found.row[row]], found.parses.leaves[row], task),
                }
            )
    return rows


def outlined(pixels: np.ndarray, box: np.ndarray, leaves: np.ndarray, task: LayerTask) -> bytes:
    """Return what a box shows of a view, with the outlines of leaves, as a PNG."""
    from PIL import Image, ImageDraw

    k = task.plan.of(ParsesOptions).cells
    height, width = pixels.shape[:2]
    left, top, right, bottom = (int(v) for v in np.rint(box * (width, height, width, height)))
    part = pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = _SIDE / max(part.shape[:2])
    size = max(round(part.shape[1] * scale), 8), max(round(part.shape[0] * scale), 8)
    shown = Image.fromarray(np.ascontiguousarray(part)).resize(size, Image.Resampling.BILINEAR)
    sheet = ImageDraw.Draw(shown)
    for y0, x0, y1, x1 in grid_of(k).rectangles[leaves].tolist():
        corners = [x0 * size[0] // k, y0 * size[1] // k, x1 * size[0] // k - 1, y1 * size[1] // k - 1]
        sheet.rectangle(corners, outline=_OUTER, width=3)
        sheet.rectangle([corners[0] + 1, corners[1] + 1, corners[2] - 1, corners[3] - 1], outline=_INNER, width=1)
    file = io.BytesIO()
    shown.save(file, "PNG")
    return file.getvalue()


__all__ = ["outlined", "pictures"]
