"""The first page of a report, and the list of concepts."""

import json
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl

from filterscope import schemas
from filterscope.jobs.findings.summary import warnings
from filterscope.jobs.report.pages.concepts import detectors
from filterscope.jobs.report.pages.inversions import has_page as has_inversions
from filterscope.jobs.report.pages.layers import headline_of
from filterscope.jobs.report.pages.zoo import PAGE, has_page
from filterscope.jobs.report.place import ReportPlace
from filterscope.jobs.report.render import write_page
from filterscope.jobs.report.sections import queries
from filterscope.jobs.report.sections.cells import About
from filterscope.jobs.report.sections.charts import Lines, stacked, trend
from filterscope.jobs.report.sections.facts import concepts_of, label_counts, worth
from filterscope.jobs.report.sections.opening import opening
from filterscope.jobs.report.sections.section import sections_of
from filterscope.jobs.report.thumbnails import images_at_hand
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.attribution.prediction import explained
from filterscope.pipeline.methods.dissection.findings import layer_summary
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.significance.findings import labels, sentences
from filterscope.pipeline.methods.significance.trust import STANDINGS
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import PlannedModel

#: Tables that the first page and the list of concepts show beside those of their findings.
OWN = (
    "models",
    "views",
    "concepts",
    "units",
    "unit_significance",
    "layer_significance",
    "rejects",
    "runs",
    "thresholds",
)
#: Layers up to which every one has a card of its own.
CARDS = 12
_STRONGEST = 4


def write_overview(where: ReportPlace, _: None = None) -> int:
    """Write the first page and the list of concepts."""
    plan, run = where.plan, where.plan.run
    rows, concepts, said = layer_rows(where), concepts_of(run), sentences(run)
    write_page(
        where.site,
        ("index.html",),
        "overview.html",
        run=str(run),
        queries=queries,
        plan=plan,
        opening=opening(labels(run)) if any(row["headline"] for row in rows) else None,
        rows=deepest_first(rows),
        cards=deepest_first(rows) if len(rows) <= CARDS else [],
        trends=_trends(where, rows),
        notes=[line for line in warnings(run) if line not in said],
        others=sorted(where.layers - {(row["model"], row["layer"]) for row in rows}),
        sections=sections_of("run", OWN, About(where, concepts=frozenset(concepts["concept"]))),
        concepts=concepts,
        models=_models(where),
        views=_views(where),
        rejects=_rejects(where),
        runs=_runs(where),
        settings=_settings(where),
        zoo=PAGE if has_page(where) else None,
        inversions=has_inversions(where.plan.run),
        predictions=len(list(explained(where.plan.run))),
        cutoff=DETECTOR_IOU,
        dissection=plan.of(DissectionOptions),
    )
    write_page(where.site, ("concepts.html",), "concepts.html", run=str(run), queries=queries, rows=concept_rows(where))
    return 2


def layer_rows(where: ReportPlace) -> list[dict[str, Any]]:
    """Return a row for every layer that was dissected, model by model, layers from the first to the last."""
    run = where.plan.run
    summary = {(row["model"], row["layer"]): row for row in layer_summary(run).to_dicts()}
    parts = dict(labels(run).group_by("model", "layer"))
    followed = _tracking(where)
    rows = []
    for model, layer in in_order(where.plan.models):
        key = (model.name, layer.name)
        if key not in parts:
            continue
        groups = label_counts(parts[key])
        rows.append(
            {
                **summary[key],
                "type": layer.type,
                "median_iou": parts[key]["iou"].median(),
                "headline": headline_of(run, *key, parts[key]),
                "worth": worth(parts[key]),
                "tracking": followed.get(key),
                "groups": groups,
                "shares": stacked(groups),
                "strongest": [{**unit, "strips": where.strips(unit)} for unit in _strongest(parts[key])],
            }
        )
    return rows


def deepest_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of layers model by model as they are, those of each from the last to the first."""
    return [row for _, found in groupby(rows, key=itemgetter("model")) for row in reversed(list(found))]


def _strongest(units: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the units of a layer to show first: strong labels, then tentative ones; others head nothing."""
    ranked = units.filter(pl.col("standing").is_in(STANDINGS[:2])).sort("standing", -pl.col("iou"), "unit")
    return ranked.head(_STRONGEST).to_dicts()


def in_order(models: Sequence[PlannedModel]) -> list[tuple[PlannedModel, Layer]]:
    """Return the layers of models, those of each in the order in which an image passes them."""
    return [(model, layer) for model in models for layer in model.layers]


def _tracking(where: ReportPlace) -> dict[tuple[str, str], float]:
    """Return the median over units and landmarks of the tracking of each layer."""
    rows = schemas.scan_location_instability(where.plan.run)
    medians = rows.group_by("model", "layer").agg(pl.col("tracking").median()).collect()
    return {(model, layer): value for model, layer, value in medians.iter_rows()}


def _trends(where: ReportPlace, rows: list[dict[str, Any]]) -> list[tuple[str, Lines]]:
    drawn = []
    for model in where.plan.models:
        layers = [
            (row["layer"], {category: len(concepts) for category, concepts in row["groups"]})
            for row in rows
            if row["model"] == model.name
        ]
        if len(layers) > 1:
            drawn.append((model.name, trend(layers)))
    return drawn[:CARDS]


def _models(where: ReportPlace) -> list[dict[str, Any]]:
    """Return the rows of the table `models` in the order of the run."""
    order = {model.name: number for number, model in enumerate(where.plan.models)}
    rows = schemas.scan_models(where.plan.run).collect().to_dicts()
    return sorted((row for row in rows if row["model"] in order), key=lambda row: order[row["model"]])


def _views(where: ReportPlace) -> list[tuple[str, int]]:
    """Return how many views show objects of each category, and how many are mirrored; nothing where views are images."""
    views = schemas.scan_views(where.plan.run).select("category", "flip").collect()
    counted = views.drop_nulls("category").group_by("category").len().sort("category")
    flipped = int(views["flip"].sum())
    return [*counted.iter_rows(), *([("mirrored", flipped)] if flipped else [])]


def _rejects(where: ReportPlace) -> list[dict[str, Any]]:
    """Return reasons of rejects, of the data set and of the run, most frequent first, with how many and one example."""
    rejects = schemas.scan_rejects(where.plan.run)
    if images_at_hand(where.plan):
        imported = pl.DataFrame(Dataset(where.plan.data).table("rejects")).lazy()
        rejects = pl.concat([imported, rejects])
    counted = rejects.group_by("stage", "reason").agg(pl.len().alias("count"), pl.col("item").min())
    return counted.sort("count", "stage", "reason", descending=[True, False, False]).collect().to_dicts()


def _runs(where: ReportPlace) -> list[dict[str, Any]]:
    return schemas.scan_runs(where.plan.run).sort("started", maintain_order=True).collect().to_dicts()


def _settings(where: ReportPlace) -> dict[str, Any]:
    recorded = RunFolder(where.plan.run).recorded()
    return {
        "options": {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in where.plan.as_dict()["options"].items()
        },
        "versions": recorded["versions"],
        "views": where.plan.view_count,
        "images": schemas.scan_views(where.plan.run).select(pl.col("image").n_unique()).collect().item(),
        "data": where.plan.data.name,
        "identity": where.plan.data_identity,
    }


def concept_rows(where: ReportPlace) -> list[dict[str, Any]]:
    """Return every concept with the number of units labelled with it, of strong ones, and the best; the most strong first."""
    found = detectors(where.plan.run)
    labelled = found.filter("label")
    units = dict(labelled.group_by("concept").len().iter_rows())
    strong = dict(labelled.filter(pl.col("standing") == STANDINGS[0]).group_by("concept").len().iter_rows())
    best = {row["concept"]: row for row in labelled.unique("concept", keep="first", maintain_order=True).to_dicts()}
    rows = [
        {**row, "units": units.get(name, 0), "strong": strong.get(name, 0), "best": best.get(name)}
        for row in concepts_of(where.plan.run).to_dicts()
        for name in [row["concept"]]
    ]
    first = {"iou": 0.0}
    return sorted(rows, key=lambda row: (-row["strong"], -row["units"], -(row["best"] or first)["iou"], row["concept"]))


__all__ = ["CARDS", "OWN", "concept_rows", "deepest_first", "in_order", "layer_rows", "write_overview"]
