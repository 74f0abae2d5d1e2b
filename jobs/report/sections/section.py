"""Sections of pages that findings of methods declare: which a page has, and how each is drawn."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from filterscope.jobs.report.declared import shown_beside
from filterscope.jobs.report.glossary import column_says
from filterscope.jobs.report.sections import queries
from filterscope.jobs.report.sections.cells import ROWS, About, columns_of, heading, with_bars, with_heat
from filterscope.jobs.report.sections.gallery import hung
from filterscope.jobs.report.sections.lines import FIGURES, figures
from filterscope.jobs.report.sections.listed import GRID, VIEWS, strips
from filterscope.jobs.report.sections.relations import PAIRS, matrices, patterns
from filterscope.jobs.report.sections.ties import TIES, tied
from filterscope.jobs.report.sections.traversals import traversals
from filterscope.pipeline.methods.method import Finding, Method, Per
from filterscope.schemas.opening import files_under


@dataclass(frozen=True)
class Section:
    """A section as its template draws it.

    Attributes
    ----------
    id, title, subtitle, note : str
        Anchor; heading, and what stands below it.
    look : str
        Which template: that of the finding, or `table` where a frame is too small for it.
    drawn : object
        What the template draws; None for looks that are tables.
    columns : list of Column
        The frame as a table.
    cut : str
        Says what is left out; empty if nothing is.
    table, sql : str
        The table that the frame is made of, and the query of those of its rows that the page is about.
    """

    id: str
    title: str
    subtitle: str
    note: str
    look: str
    drawn: Any
    columns: list[Any]
    cut: str
    table: str
    sql: str


def section_of(finding: Finding, frame: pl.DataFrame, about: About) -> Section:
    """Draw the rows of a finding, at least one."""
    title, _, subtitle = finding.title.partition(": ")
    look, drawn = _drawn(finding, frame, about)
    shown = frame.head(ROWS)
    listed = shown.drop("picture", "factors", "value", strict=False) if look == "traversals" else shown
    columns = {"bars": with_bars, "heat": with_heat}.get(look, columns_of)(listed, about)
    said = {heading(name): column_says(name, finding) for name in frame.columns}
    columns = [replace(column, says=said[column.name]) for column in columns]
    table = finding.tables[0]
    sql = queries.table_of(table, model=about.model, layer=about.layer, unit=about.unit, category=about.category)
    cut = _cut(look, frame, drawn, finding)
    return Section(anchor(title), title, subtitle, finding.note, look, drawn, columns, cut, table, sql)


#: How looks that are more than a table are laid out.
_LAYOUTS: dict[str, Callable[[pl.DataFrame, About, Finding], Any]] = {
    "lines": lambda frame, about, _: figures(frame, about),
    "strips": lambda frame, about, finding: strips(frame, about, finding.bars, VIEWS),
    "grid": lambda frame, about, finding: strips(frame, about, finding.bars, GRID),
    "gallery": lambda frame, about, finding: hung(frame, about, finding.tables[0]),
    "graph": lambda frame, *_: tied(frame),
    "matrix": lambda frame, about, _: matrices(frame, about),
    "patterns": lambda frame, about, _: patterns(frame, about),
    "traversals": lambda frame, about, _: traversals(frame, about),
}


def _drawn(finding: Finding, frame: pl.DataFrame, about: About) -> tuple[str, Any]:
    drawn = _LAYOUTS[finding.look](frame, about, finding) if finding.look in _LAYOUTS else None
    return ("table", None) if finding.look == "lines" and not drawn else (finding.look, drawn)


def _cut(look: str, frame: pl.DataFrame, drawn: Any, finding: Finding) -> str:
    if look == "lines" and len(drawn) == FIGURES:
        return f"At most {FIGURES} figures are drawn; all rows are in {' and '.join(finding.tables)}."
    shown = {"graph": TIES, "patterns": PAIRS}.get(look, ROWS)
    if look in ("strips", "grid", "gallery", "traversals"):
        shown = len(drawn.rows)
    if frame.height <= shown:
        return ""
    return f"The first {shown:,} of {frame.height:,} rows are shown; all are in {' and '.join(finding.tables)}."


def anchor(title: str) -> str:
    """Return a heading as an id."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def sections_of(per: Per, own: Iterable[str], about: About) -> list[Section]:
    """Return the sections of a page of a run, a layer or a category.

    Parameters
    ----------
    per : {"run", "layer", "category"}
        Which page.
    own : iterable of str
        Tables that the page's own part shows; findings of these alone are not repeated.
    about : About
        What the page is about.
    """
    run = about.where.plan.run
    parts = {"run": (), "layer": (about.model, about.layer), "category": (about.model, about.category)}[per]
    found = []
    for _, finding in shown_beside(per, own):
        frame = finding.frame(run, *parts)
        if frame.height:
            found.append(section_of(finding, frame, about))
    return found


class UnitSections:
    """Sections of the pages of units [start, stop) of a layer, read for all of them at once.

    Parameters
    ----------
    about : About
        The layer.
    own : iterable of str
        Tables that the pages' own part shows.
    start, stop : int
        The units.
    """

    def __init__(self, about: About, own: Iterable[str], start: int, stop: int) -> None:
        self._about = about
        self._found: list[tuple[Finding, dict[int, pl.DataFrame]]] = []
        own, computed = tuple(own), set()
        for method, finding in shown_beside("unit", own):
            if self._has(finding.tables[0]):
                computed.add(method.name)
                frame = finding.frame(about.where.plan.run, about.model, about.layer)
                self._found.append((finding, _of_units(frame, start, stop)))
        methods = dict.fromkeys(method for method, _ in shown_beside("unit", own))
        #: Methods that say something of units and were not asked to.
        self.absent: list[Method] = [method for method in methods if method.name not in computed]

    def _has(self, table: str) -> bool:
        run = self._about.where.plan.run
        return bool(files_under(run, "tables", table, f"model={self._about.model}", f"layer={self._about.layer}"))

    def of(self, unit: int) -> list[Section]:
        """Return the sections of one unit."""
        about = About(self._about.where, self._about.model, self._about.layer, unit, concepts=self._about.concepts)
        return [section_of(finding, parts[unit], about) for finding, parts in self._found if unit in parts]


def _of_units(frame: pl.DataFrame, start: int, stop: int) -> dict[int, pl.DataFrame]:
    if not frame.height:
        return {}
    mine = frame.filter(pl.col("unit").is_between(start, stop, closed="left"))
    parts = mine.partition_by("unit", as_dict=True, maintain_order=True)
    return {unit: rows for (unit,), rows in parts.items()}


__all__ = ["Section", "UnitSections", "anchor", "section_of", "sections_of"]
