"""Pages of layers: every unit as a strip that can be sorted, filtered and searched."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from filterscope import schemas
from filterscope.jobs.report.place import ReportPlace, concept_place, layer_place
from filterscope.jobs.report.render import kind, url, write_page
from filterscope.jobs.report.sections import queries
from filterscope.jobs.report.sections.cells import About
from filterscope.jobs.report.sections.charts import bar_graph
from filterscope.jobs.report.sections.facts import concepts_of, label_counts, units_of, worth
from filterscope.jobs.report.sections.opening import opening
from filterscope.jobs.report.sections.section import sections_of
from filterscope.jobs.report.thumbnails import Look
from filterscope.pipeline.methods.significance.trust import STANDINGS, trust
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import PlannedModel
from filterscope.pipeline.stores.places import write_atomically
from filterscope.schemas.opening import files_under, scan_files

#: Tables that the page of a layer shows where it was dissected, beside those of its findings.
OWN = ("layers", "units", "unit_concept", "thresholds", "unit_significance", "layer_significance")
#: Columns of the units of a layer as the page holds them, in full precision.
NUMBERS = (
    "iou", "runner_up_iou", "q_value", "expected_iou", "iou_heldout", "effective_groups", "effective_images", "lift",
    "instability", "association",
)  # fmt: skip


@dataclass(frozen=True)
class LayerPage:
    """One layer of one model."""

    model: PlannedModel
    layer: Layer


def write_layer(where: ReportPlace, page: LayerPage) -> int:
    """Write the page of a layer and, where it was dissected, the data of its units."""
    plan, model, layer = where.plan, page.model, page.layer
    dissected = where.dissected(model, layer.name)
    about = About(where, model.name, layer.name, concepts=frozenset(concepts_of(plan.run)["concept"]))
    write_page(
        where.site,
        layer_place(model.name, layer.name),
        "layer.html",
        run=str(plan.run),
        model=model,
        layer=layer,
        row=_row(plan.run, model.name, layer.name),
        sections=sections_of("layer", OWN if dissected else (), about),
        **(_labelled(where, page) if dissected else {"units": None}),
    )
    return 1


def _labelled(where: ReportPlace, page: LayerPage) -> dict[str, Any]:
    """Write the data of the units of a layer, and return what its page says of their labels."""
    plan, model, layer = where.plan, page.model, page.layer
    units = units_of(plan.run, model.name, layer.name)
    place = layer_place(model.name, layer.name)
    data = {
        **unit_columns(units),
        "block": plan.options.unit_block,
        "sql": queries.units_of_layer(model.name, layer.name, located=units["instability"].count() > 0),
        "folder": url(*place[:-1]),
        "images": bool(len(where.slots(Look.of(plan, model)).slot)),
    }
    text = f"filterscope.layer({json.dumps(data, separators=(',', ':'), allow_nan=False)});\n"
    write_atomically(where.site.joinpath(*place[:-1], "units.js"), text.encode())
    groups = label_counts(units)
    return {
        "units": units,
        "headline": headline_of(plan.run, model.name, layer.name, units),
        "opening": opening(units),
        "graph": bar_graph(groups),
        "groups": groups,
        "counted": units["detector"].sum(),
        "columns": data,
    }


def _row(run: Path, model: str, layer: str) -> dict[str, Any]:
    """Return the row of a layer in the table `layers`, without a look at those of other models."""
    rows = scan_files(files_under(run, "tables", "layers", f"model={model}"), hive_partitioning=False)
    return rows.filter(pl.col("layer") == layer).collect().row(0, named=True)


def headline_of(run: Any, model: str, layer: str, units: pl.DataFrame) -> dict[str, Any] | None:
    """Return the row of `layer_significance`, or None if there is none, with what its units' labels are worth.

    That is `worth`, the units of each standing, and `trust`, the sentence that says which to trust.
    """
    rows = schemas.scan_layer(run, "layer_significance", model, layer).collect().to_dicts()
    if not rows:
        return None
    counted = worth(units)
    return {**rows[0], "worth": counted, "trust": trust({**rows[0], "strong": dict(counted)[STANDINGS[0]]})}


def unit_columns(units: pl.DataFrame) -> dict[str, Any]:
    """Return the units of a layer column by column: names as numbers of lists that hold each once."""
    named = units.select("concept", "category").drop_nulls().unique().sort("concept")
    runners = units["runner_up"].drop_nulls().unique()
    names = sorted({*named["concept"], *runners})
    number = {name: index for index, name in enumerate(names)}
    category = dict(named.iter_rows())
    return {
        "unit": units["unit"].to_list(),
        "concepts": names,
        "pages": [url(*concept_place(name)) for name in names],
        "categories": [category.get(name) for name in names],
        "kinds": [kind(category.get(name)) for name in names],
        "concept": [number.get(name, -1) for name in units["concept"]],
        "runner_up": [number.get(name, -1) for name in units["runner_up"]],
        "status": units["status"].to_list(),
        "detector": units["detector"].to_list(),
        "standings": STANDINGS,
        "standing": [STANDINGS.index(name) for name in units["standing"]],
        **{name: [None if v is None or v != v else v for v in units[name]] for name in NUMBERS},
    }


__all__ = ["NUMBERS", "OWN", "LayerPage", "headline_of", "unit_columns", "write_layer"]
