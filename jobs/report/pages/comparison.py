"""The verb `compare`: a comparison of layers as a page, and its tables as Parquet beside it."""

from pathlib import Path
from typing import Any

import polars as pl

from filterscope.jobs.report.sections.compared import charts, short_names, write_strips
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.comparison.comparison import NOWHERE, Comparison, Side
from filterscope.pipeline.methods.comparison.sides import STAND
from filterscope.pipeline.stores.places import is_local

#: Tables of a comparison, by the names of its attributes.
TABLES = ("sides", "pairs", "concepts", "units", "verdicts", "differences")


def write_comparison(found: Comparison, out: Path) -> Path:
    """Write a comparison as a page, and its tables as Parquet beside it.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If `out` holds something else.
    """
    import shutil

    from filterscope.jobs.report.render import HERE, write_page

    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "concepts.parquet").is_file())):
        raise InputError(f"{out} exists and is no comparison; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "sides", ignore_errors=True)  # thumbnails of an earlier comparison
    shutil.copytree(HERE / "static", out / "static", dirs_exist_ok=True)
    for name in TABLES:
        getattr(found, name).write_parquet(out / f"{name}.parquet")
    stand = found.concepts.filter(pl.col("stands") != NOWHERE)
    numbers = range(1, len(found.members) + 1)
    strips = write_strips(found.members, [stand[f"best_{number}"].drop_nulls().to_list() for number in numbers], out)
    common, short = short_names(found.members)
    write_page(
        out,
        ("index.html",),
        "compare.html",
        names=[side.name for side in found.members],
        short=short,
        common=common,
        where_stand=_where(stand),
        sides=found.sides.to_dicts(),
        pairs=found.pairs.to_dicts(),
        stand=[_shown(row, strips) for row in stand.to_dicts()],
        rest=found.concepts.filter(stands=NOWHERE).to_dicts(),
        unpictured=[side.name for side, strip in zip(found.members, strips, strict=True) if strip is None],
        charts=charts(found),
        units=_same_units(found),
        differences=found.differences.to_dicts(),
        categories=_categories(found),
        narrowest=found.sides["units"].min(),
        layers=[_layer(side, out) for side in found.members],
        cutoff=DETECTOR_IOU,
        standing=STAND,
    )
    return out / "index.html"


def _shown(row: dict[str, Any], strips: list[Any]) -> dict[str, Any]:
    """Return a concept with what each side has of it: `sides`, and `on`, the places of those where it stands."""
    sides = [
        {
            **{name: row.get(f"{name}_{number}") for name in _OF_A_SIDE},
            "strip": strip.get(row[f"best_{number}"], []) if strip else [],
        }
        for number, strip in enumerate(strips, start=1)
    ]
    return {**row, "sides": sides, "on": [number for number, side in enumerate(sides) if side["stand"]]}


_OF_A_SIDE = ("eligible", "units", "stand", "best", "iou", "standing", "more_stand", "more_iou")


def _where(stand: pl.DataFrame) -> list[tuple[str, int]]:
    """Count concepts by where they stand, in the words of a sentence."""
    words = {"every side": "on every side", "some sides": "on some", "one side only": "on one side only"}
    words["eligible on one side"] = "where no other side could"
    counts = dict(stand["stands"].value_counts().iter_rows())
    return [(says, counts[name]) for name, says in words.items() if name in counts]


def _categories(found: Comparison) -> list[dict[str, Any]]:
    """Return the counts of each category, side by side, those of most units that stand first; `widest` is the most of all."""
    rows = found.verdicts.with_columns(stand=pl.col("strong") + pl.col("tentative"))
    widest = max(rows["stand"].max() or 0, 1) if rows.height else 1
    named = [
        {"category": name, "sides": part.to_dicts(), "total": part["stand"].sum(), "widest": widest}
        for (name,), part in rows.group_by("category", maintain_order=True)
    ]
    return sorted(named, key=lambda category: -category["total"])


def _same_units(found: Comparison) -> list[tuple[int, list[dict[str, Any]]]]:
    """Return the units of each side whose units are those of the first, those that stand on either side first."""
    stand = pl.col("standing_1").is_in(STAND) | pl.col("standing_2").is_in(STAND)
    ordered = found.units.sort(~stand, maintain_order=True)
    parts = [(number, ordered.filter(side=side.name).to_dicts()) for number, side in enumerate(found.members)]
    return [(number, rows) for number, rows in parts if rows]


def _layer(side: Side, out: Path) -> str | None:
    """Return the folder of the pages of a side's layer from `out`, with a slash at its end; None where there is no report."""
    import os

    from filterscope.jobs.report.place import layer_place
    from filterscope.jobs.report.render import url

    page = side.run.joinpath("report", *layer_place(side.model, side.layer))
    if not is_local(page) or not page.exists():
        return None
    folder = Path(os.path.relpath(page.parent.absolute(), out.absolute()))
    return "".join(f"{url(part)}/" for part in folder.parts)


__all__ = ["TABLES", "write_comparison"]
