"""Pages of layers: every unit as a strip that can be sorted, filtered and searched."""

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from filterscope import schemas
from filterscope.jobs.findings.comparisons import growth_summary
from filterscope.jobs.findings.summary import trust
from filterscope.jobs.report.place import ReportPlace, concept_place, layer_place
from filterscope.jobs.report.render import kind, url, write_page
from filterscope.jobs.report.sections.charts import bar_graph, growth
from filterscope.jobs.report.sections.evidence import evidence
from filterscope.jobs.report.sections.facts import label_counts, units_of
from filterscope.jobs.report.sections.thumbnails import Look
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import PlannedModel
from filterscope.pipeline.stores.places import write_atomically

#: Columns of the units of a layer as the page holds them, in full precision.
NUMBERS = ("iou", "runner_up_iou", "q_value", "iou_heldout", "effective_images", "lift", "instability", "association")


@dataclass(frozen=True)
class LayerPage:
    """One layer of one model."""

    model: PlannedModel
    layer: Layer


def write_layer(where: ReportPlace, page: LayerPage) -> int:
    """Write the page of a layer and the data of its units."""
    plan, model, layer = where.plan, page.model, page.layer
    units = units_of(plan.run, model.name, layer.name)
    place = layer_place(model.name, layer.name)
    data = {
        **unit_columns(units),
        "block": plan.options.unit_block,
        "folder": url(*place[:-1]),
        "images": bool(len(where.slots(Look.of(plan, model)).slot)),
    }
    text = f"filterscope.layer({json.dumps(data, separators=(',', ':'), allow_nan=False)});\n"
    write_atomically(where.site.joinpath(*place[:-1], "units.js"), text.encode())
    groups = label_counts(units)
    write_page(
        where.site,
        place,
        "layer.html",
        model=model,
        layer=layer,
        units=units,
        headline=headline_of(plan.run, model.name, layer.name),
        graph=bar_graph(groups),
        groups=groups,
        growth=growth(growth_summary(plan.run, model.name, layer.name).to_dicts()),
        counted=units["detector"].sum(),
        columns=data,
    )
    return 1


def headline_of(run: Any, model: str, layer: str) -> dict[str, Any] | None:
    """Return the row of `layer_significance` with the sentence that says what to trust, or None if there is none."""
    rows = schemas.scan_layer(run, "layer_significance", model, layer).collect().to_dicts()
    if not rows:
        return None
    row = rows[0]
    return {**row, "trust": trust(row["over_cutoff"], round(row["expected_by_chance"], 1), row["significant"])}


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
        "evidence": [evidence(row) for row in units.iter_rows(named=True)],
        "compared": units["significant"].null_count() < units.height,
        **{name: [None if v is None or v != v else v for v in units[name]] for name in NUMBERS},
    }


__all__ = ["NUMBERS", "LayerPage", "headline_of", "unit_columns", "write_layer"]
