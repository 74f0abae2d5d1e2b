"""Pictures of attacked and edited images that galleries on the first page show, and what the viewer says of them."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope.jobs.report.pictures import drawn_size
from filterscope.jobs.report.place import ReportPlace, image_place
from filterscope.jobs.report.render import url, write_script
from filterscope.jobs.report.sections.gallery import ROWS, keeper, pictures_of, script_of
from filterscope.jobs.report.thumbnails import images_at_hand
from filterscope.pipeline.methods.bias.findings import pictured
from filterscope.pipeline.methods.vulnerable.findings import gallery
from filterscope.pipeline.stores.places import write_atomically

#: What the rows of each gallery are, by the table that it is of.
_ROWS: dict[str, Callable[[Path], pl.DataFrame]] = {"adversarial": gallery, "edited_views": pictured}
#: Galleries.
OWN = tuple(_ROWS)


def write_gallery(where: ReportPlace, table: str, model: str) -> int:
    """Write the pictures of a model that a gallery shows, each with the script that the viewer asks for; return how many."""
    shown, keep, written = _ROWS[table](where.plan.run).head(ROWS), keeper(table, where.plan), 0
    for row in shown.filter(model=model).to_dicts() if shown.height else ():
        kept, image = keep(row), int(where.plan.views.image[row["view"]])
        for place, one in pictures_of(row, kept):
            _write_picture(where.site.joinpath(*place), kept.pictures[one.kind])
            facts = {
                "name": one.says,
                "page": url(*image_place(image)) if images_at_hand(where.plan) else one.href,
                "picture": one.href,
                "said": f"image {image} · view {row['view']} · {row.get('attack') or row['edit']}",
                "reason": "",
                "width": one.size[0],
                "height": one.size[1],
                "drawn": list(drawn_size(one.size[1], one.size[0])),
                "frames": {},
                "concepts": [],
            }
            write_script(where.site, script_of(place), "pictures.other", one.script, facts)
            written += 1
    return written


def _write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(sink, "PNG")
    write_atomically(path, sink.getvalue())


__all__ = ["OWN", "write_gallery"]
