"""Pictures of an explanatory graph: the patches of its nodes, cut by their receptive fields, and the images that are parsed."""

import io
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope import schemas
from filterscope.jobs.report.place import ReportPlace, graph_place
from filterscope.jobs.report.render import slug
from filterscope.jobs.report.thumbnails import images_at_hand
from filterscope.pipeline.methods.graph.dictionary import field_box, view_pixels
from filterscope.pipeline.run.plan import PlannedModel
from filterscope.pipeline.stores.places import write_atomically

#: Patches of a node, of different images, and pixels along the sides of each.
PATCHES, SIDE = 6, 96

_QUALITY, _AT_ONCE = 80, 64
_KEY = ["layer", "unit", "node"]


def write_pictures(
    where: ReportPlace, model: PlannedModel, category: str, nodes: pl.DataFrame, views: Sequence[int]
) -> list[int] | None:
    """Write the patches of each node in one file, and some views whole.

    Returns
    -------
    list of int, or None
        Patches of each node; None where the images are not at hand.
    """
    plan = where.plan
    if not images_at_hand(plan):
        return None
    best = _best(where, model, category, nodes)
    sheets = np.zeros((nodes.height, SIDE, PATCHES * SIDE, 4), np.uint8)
    wanted: dict[int, list[tuple[int, int, float, float]]] = {view: [] for view in views}
    for place, rank, view, y, x in best.select("place", "rank", "view", "y", "x").iter_rows():
        wanted.setdefault(view, []).append((place, rank, y, x))
    sizes = _field_sizes(model, nodes)
    folder = where.site.joinpath(*graph_place(model.name, category)[:-1], slug(category))
    ordered = sorted(wanted)
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        for view, pixels in zip(some, view_pixels(plan, model, some), strict=True):
            for place, rank, y, x in wanted[view]:
                y0, x0, y1, x1 = field_box((y, x), sizes[place], pixels.shape[:2])
                sheets[place, :, rank * SIDE : (rank + 1) * SIDE] = _fitted(pixels[y0:y1, x0:x1])
            if view in views:
                write_atomically(folder / f"view-{view}.webp", _webp(pixels))
    for place, sheet in enumerate(sheets):
        write_atomically(folder / f"patches-{place}.webp", _webp(sheet))
    counts = dict(best.group_by("place").len().iter_rows())
    return [counts.get(place, 0) for place in range(nodes.height)]


def _best(where: ReportPlace, model: PlannedModel, category: str, nodes: pl.DataFrame) -> pl.DataFrame:
    """Return where each node scores highest, on one view of each image: place, rank, view, y, x."""
    rows = schemas.scan_node_positions(where.plan.run).filter(pl.col("score") > 0, model=model.name, category=category)
    mine = rows.join(nodes.lazy().select(*_KEY, "place"), on=_KEY).select("place", "view", "y", "x", "score").collect()
    image = where.plan.views.image[mine["view"].to_numpy()]
    order = mine.with_columns(pl.Series("image", image)).sort("place", "score", "view", descending=[False, True, False])
    first = order.unique(["place", "image"], keep="first", maintain_order=True)
    ranked = first.with_columns(pl.int_range(pl.len()).over("place").alias("rank"))
    return ranked.filter(pl.col("rank") < PATCHES)


def _field_sizes(model: PlannedModel, nodes: pl.DataFrame) -> list[tuple[int, int]]:
    whole = model.transform.input_size
    sizes = {layer.name: layer.field.size if layer.field else whole for layer in model.layers}
    return [sizes[layer] for layer in nodes["layer"]]


def _fitted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture in the middle of a square of SIDE, transparent around it, uint8 of shape (SIDE, SIDE, 4)."""
    from PIL import Image

    square = np.zeros((SIDE, SIDE, 4), np.uint8)
    longer = max(pixels.shape[:2])
    if min(pixels.shape[:2]) == 0:
        return square
    height, width = (max(round(SIDE * side / longer), 1) for side in pixels.shape[:2])
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    scaled = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    square[top : top + height, left : left + width, :3] = np.asarray(scaled)
    square[top : top + height, left : left + width, 3] = 255
    return square


def _webp(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "WEBP", quality=_QUALITY, method=2)
    return sink.getvalue()


__all__ = ["PATCHES", "SIDE", "write_pictures"]
