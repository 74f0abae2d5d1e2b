"""What methods declare to be shown: their findings by the page that shows them, and the tables that a page depends on."""

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import polars as pl

from filterscope.pipeline.debugging.findings import LOOP
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.method import Finding, Method, Per

#: What pages show: the methods, and the loop, which mends what they found.
_SHOWN = (*registry.METHODS, LOOP)
#: Looks whose frames list views that are pictured.
PICTURED = ("strips", "grid", "gallery", "patterns")


@cache
def declared(per: Per) -> tuple[tuple[Method, Finding], ...]:
    """Return the findings of all methods that are about a run, a layer, a unit or a category, in the order of the registry.

    Methods that a run does not name are among them: another command may have written their tables.
    """
    return tuple((method, finding) for method in _SHOWN for finding in method.findings() if finding.per == per)


def shown_beside(per: Per, own: Iterable[str]) -> list[tuple[Method, Finding]]:
    """Return the findings of a page but those all of whose tables the page's own part shows."""
    mine = set(own)
    return [(method, finding) for method, finding in declared(per) if not mine.issuperset(finding.tables)]


def tables_of(pages: Iterable[Per], own: Iterable[str]) -> tuple[str, ...]:
    """Return the tables that pages depend on: those of their own parts and those of their findings."""
    found = [name for per in pages for _, finding in declared(per) for name in finding.tables]
    return tuple(dict.fromkeys([*own, *found]))


def listed_views(run: Path, model: str, layer: str) -> pl.Series:
    """Return the views that strips on the pages of a layer and of its units show, in order of the pages; some repeat."""
    found = [pl.Series("view", [], pl.Int32)]
    for per in ("layer", "unit"):
        for _, finding in declared(per):
            if finding.look in PICTURED:
                found.append(views_in(finding.frame(run, model, layer)))
    return pl.concat(found)


def listed_in_run(run: Path, model: str) -> pl.Series:
    """Return the views of a model that strips on the first page show, in their order; some repeat."""
    frames = (finding.frame(run) for _, finding in declared("run") if finding.look in PICTURED)
    own = (frame.filter(model=model) if "model" in frame.columns else frame for frame in frames)
    return pl.concat([pl.Series("view", [], pl.Int32), *map(views_in, own)])


def views_in(frame: pl.DataFrame) -> pl.Series:
    """Return the numbers in the column `views` of the frame of a strip: lists of views, or of structs with a view in each."""
    if not frame.height:
        return pl.Series("view", [], pl.Int32)
    views = frame["views"].explode().drop_nulls()
    return (views.struct.field("view") if views.dtype == pl.Struct else views).cast(pl.Int32).alias("view")


def sources() -> list[Path]:
    """Return the files of code that findings come from."""
    findings = [finding for method in _SHOWN for finding in method.findings()]
    files = {sys.modules[finding.frame.__module__].__file__ for finding in findings}
    return sorted(Path(file) for file in files if file)


__all__ = ["PICTURED", "declared", "listed_in_run", "listed_views", "shown_beside", "sources", "tables_of", "views_in"]
