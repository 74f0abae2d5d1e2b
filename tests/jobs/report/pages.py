"""Pages written in this process, and what stands on them."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from filterscope.jobs.report.render import HERE


def written_here(run: Path, site: Path, *, last_first: bool = False) -> Path:
    """Write the report of a run unit of work by unit of work, and return its folder."""
    from filterscope.jobs.report.site import carry_out, report_stage
    from filterscope.pipeline.run.folder import RunFolder

    shutil.copytree(HERE / "static", site / "static", dirs_exist_ok=True)
    stage = report_stage(RunFolder(run).plan(), site)
    works = list(stage.group(stage.keys))
    for work in works[::-1] if last_first else works:
        carry_out(work.task)
    return site


class Page(HTMLParser):
    """Text of a page by the id it stands under, table rows of all sections and of each, and every element that is there."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: dict[str, str] = {}
        self.rows: list[list[str]] = []
        self.sections: dict[str, list[list[str]]] = {}
        self.texts: dict[str, str] = {}
        self._section: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: str | None = None
        self._cell = False
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append((tag, named))
        if tag == "dd" and "id" in named:
            self._open = named["id"]
            self.ids[self._open] = ""
        if tag == "section":
            self._section.append(named.get("aria-labelledby") or "")
            self.sections[self._section[-1]], self.texts[self._section[-1]] = [], ""
        if tag == "tr":
            self.rows.append([])
            if self._section:
                self.sections[self._section[-1]].append(self.rows[-1])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag):
        if tag == "section":
            self._section.pop()
        if tag == "dd":
            self._open = None
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data):
        self.text += data
        if self._section:
            self.texts[self._section[-1]] += data
        if self._open:
            self.ids[self._open] += data
        if self._cell:
            self.rows[-1][-1] += data


def called(path):
    """Return the data with which a script of the site calls its function."""
    text = path.read_text()
    return json.loads("[" + text[text.index("(") + 1 : text.rindex(")")] + "]")


def filled(path, size):
    """Fill path data by the even-odd rule, pixel centre by pixel centre."""
    inside = np.zeros((size, size), bool)
    y, x = np.mgrid[0.5:size, 0.5:size]
    for part in path.split("z")[:-1]:
        start, steps = re.fullmatch(r"M(\d+ \d+)l(.*)", part).groups()
        numbers = np.array(re.findall(r"-?\d+", steps), int).reshape(-1, 2)
        points = np.array(start.split(), int) + np.vstack([[0, 0], numbers.cumsum(axis=0)])
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            if y0 != y1:
                inside ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside
