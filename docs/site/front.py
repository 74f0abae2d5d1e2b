"""Draws the picture of the front page from the run of ``make audit``: ``python docs/site/front.py RUN``.

Units of different concepts whose labels are strong, each with its strongest images; white on nothing, so that it stands on a
light page and on a dark one.
"""

import sys
from pathlib import Path

import polars as pl
from PIL import Image, ImageDraw, ImageFont

import filterscope
from filterscope.pipeline.methods.significance.trust import standing

UNITS, IMAGES, SIDE, GAP, TEXT = 4, 6, 150, 10, 300
INK, GREY, ACCENT = "#1d232b", "#5c6670", "#2f67a9"


def chosen(run: filterscope.Run) -> list[dict[str, object]]:
    """Return rows of the units to show: of the strong ones the best of each concept, and one concept per category first."""
    rows = run.units.join(run.unit_significance, on=["model", "layer", "unit"]).sort("iou", descending=True)
    strong = [row for row in rows.collect().iter_rows(named=True) if standing(row) == "strong"]
    best = pl.DataFrame(strong).unique("concept", keep="first", maintain_order=True)
    first = best.unique("category", keep="first", maintain_order=True)
    return pl.concat([first, best]).unique("concept", keep="first", maintain_order=True).head(UNITS).to_dicts()


def picture(run: filterscope.Run) -> Image.Image:
    """Return the picture."""
    height = UNITS * (SIDE + GAP) - GAP
    sheet = Image.new("RGBA", (TEXT + IMAGES * (SIDE + GAP) - GAP, height), "#ffffff00")
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(34), ImageFont.load_default(21)
    for line, row in enumerate(chosen(run)):
        top = line * (SIDE + GAP)
        draw.rounded_rectangle((0, top, TEXT - GAP - 1, top + SIDE - 1), 8, "#f3f4f5")
        draw.text((22, top + 22), str(row["concept"]), INK, large)
        draw.text((22, top + 70), f"unit {row['unit']} of {row['layer']}", ACCENT, small)
        draw.text((22, top + 102), f"IoU {row['iou']:.2f} \u00b7 {row['category']}", GREY, small)
        unit = run.unit(str(row["layer"]), int(str(row["unit"])), model=str(row["model"]))
        for column, image in enumerate(unit.top_images[:IMAGES]):
            sheet.paste(image.resize((SIDE, SIDE)), (TEXT + column * (SIDE + GAP), top))
    return sheet


if __name__ == "__main__":
    picture(filterscope.open(sys.argv[1])).save(Path(__file__).with_name("front.webp"), quality=82, method=6)
