"""Pictures on the pages of documentation, made by ``make pictures`` from runs of today; needs Chromium.

Shown are drawn images and the photographs of `photographs.py`, which may be shown; never the images of a data set.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import filterscope
from tests.docs.photographs import write_photographs
from tests.docs.results import ROOT, Runner

PICTURES = ROOT / "docs" / "pictures"
MODEL, LAYER = "--model package:efficientnet-lite0", "_blocks.10"
#: Runs that are shown: of drawn images, of photographs, and explanatory graphs of a drawn object.
PREPARED = (
    "make audit",
    "test -e data/photographs/dataset.json || filterscope import masks photographs data/photographs --colors",
    f"filterscope audit {MODEL} --data data/photographs --layers {LAYER} --methods dissection,significance "
    "--out runs/photographs",
    "filterscope report runs/photographs",
    f"filterscope graph {MODEL} --data data/sample --category balloon --layers {LAYER},_blocks.15 --out runs/graphs",
    "filterscope report runs/graphs",
)
#: Concepts whose best units the first picture shows, the first of them on the picture of a unit's page.
SHOWN = ("eye", "spoon", "lamp")
_WIDTH, _QUALITY, _INK, _GREY = 1180, 80, (24, 28, 32), (95, 99, 104)


def best_unit(run: filterscope.Run, concept: str) -> filterscope.Unit:
    """Return the unit that is labelled with a concept and most to be believed, by standing, then IoU."""
    found = run.labels.filter("detector", layer=LAYER, concept=concept)
    row = found.sort("standing", "iou", descending=[False, True]).row(0, named=True)
    return run.unit(LAYER, row["unit"])


def strips(units: list[filterscope.Unit], images: int = 6) -> Image.Image:
    """Return a row for each unit: its number, label, IoU and standing, and its strongest images."""
    rows, left = [unit.picture(images) for unit in units], 190
    high = rows[0].height + 10
    picture = Image.new("RGB", (left + rows[0].width, high * len(rows) - 10), "white")
    draw = ImageDraw.Draw(picture)
    for place, (unit, row) in enumerate(zip(units, rows, strict=True)):
        picture.paste(row, (left, place * high))
        for y, size, ink, text in (
            (38, 15, _GREY, f"unit {unit.unit} of {unit.layer}"),
            (60, 26, _INK, unit.label),
            (98, 15, _GREY, f"IoU {unit.iou:.2f} · {unit.standing}"),
        ):
            draw.text((4, place * high + y), text, ink, ImageFont.load_default(size))
    return picture


@contextmanager
def browser() -> Iterator[Any]:
    """Open Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        path = shutil.which("chromium")
        found = player.chromium.launch(executable_path=path, headless=True, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


def screenshot(opened: Any, page: Path, height: int, to: Path) -> None:
    """Take the upper part of a page of a report, in the light theme, `_WIDTH` pixels wide."""
    context = opened.new_context(viewport={"width": _WIDTH, "height": height}, color_scheme="light")
    sheet = context.new_page()
    sheet.goto(page.as_uri())
    sheet.wait_for_load_state("networkidle")
    png = to.with_suffix(".png")
    sheet.screenshot(path=png)
    context.close()
    _save(Image.open(png).convert("RGB"), to)
    png.unlink()


def _save(picture: Image.Image, to: Path) -> None:
    picture.save(to, "WEBP", quality=_QUALITY, method=6)
    sys.stdout.write(f"{to.name}: {picture.width} x {picture.height}, {to.stat().st_size / 1000:.0f} kB\n")


def draw_all(folder: Path) -> None:
    """Make all pictures from runs in a folder, which it leaves there; runs that are there are not repeated."""
    if not (folder / "photographs").is_dir():
        write_photographs(folder / "photographs")
    Runner(folder, PREPARED)
    photographs = filterscope.open(folder / "runs" / "photographs")
    units = [best_unit(photographs, concept) for concept in SHOWN]
    _save(strips(units), PICTURES / "units.webp")
    with browser() as opened:
        for name, pages, height in (
            ("unit", f"photographs/report/m/*/{LAYER}/{units[0].unit}.html", 1000),
            ("report", "sample/report/m/*/_bn1/index.html", 1000),
            ("graph", "graphs/report/g/*/*.html", 1100),
        ):
            (page,) = (folder / "runs").glob(pages)
            screenshot(opened, page, height, PICTURES / f"{name}.webp")


def main() -> None:
    """Make all pictures; the runs they show are kept in the folder that is named, if one is."""
    if len(sys.argv) > 1:
        draw_all(Path(sys.argv[1]).resolve())
        return
    with tempfile.TemporaryDirectory() as folder:
        draw_all(Path(folder).resolve())


if __name__ == "__main__":
    main()
