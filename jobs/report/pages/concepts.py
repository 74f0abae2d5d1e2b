"""Pages of concepts: which units of which models detect each, and which images hold it."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from filterscope.jobs.report.place import ReportPlace, concept_place
from filterscope.jobs.report.render import write_page
from filterscope.jobs.report.sections import queries
from filterscope.jobs.report.sections.facts import concepts_of
from filterscope.jobs.report.sections.labelled import images_with, labelled_paths
from filterscope.jobs.report.thumbnails import Thumbnail, looks_of
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.significance.findings import labels

#: Tables that pages of concepts show.
OWN = ("concepts", "units", "unit_significance", "unit_concept")
#: Units, and images, on the page of a concept.
UNITS, IMAGES = 200, 12


@dataclass(frozen=True)
class ConceptBlock:
    """Concepts `start` to `stop` - 1 in the order of the data set."""

    start: int
    stop: int


def write_concepts(where: ReportPlace, block: ConceptBlock) -> int:
    """Write the pages of some concepts."""
    run = where.plan.run
    concepts = concepts_of(run).slice(block.start, block.stop - block.start)
    names = concepts["concept"].to_list()
    found = {name: part for (name,), part in detectors(run).filter(pl.col("concept").is_in(names)).group_by("concept")}
    images = _images(where, names)
    for concept in concepts.iter_rows(named=True):
        rows = found[concept["concept"]].to_dicts() if concept["concept"] in found else []
        own, others = ([row for row in rows if row["label"] == label] for label in (True, False))
        write_page(
            where.site,
            concept_place(concept["concept"]),
            "concept.html",
            run=str(run),
            queries=queries,
            concept=concept,
            rows=[{**row, "strips": where.strips(row)} for row in own[:UNITS]],
            total=len(own),
            others=[{**row, "strips": where.strips(row)} for row in others[:UNITS]],
            others_total=len(others),
            highest=max((row["iou"] for row in rows), default=1.0),
            layers=_counted(own),
            images=images.get(concept["concept"], []),
        )
    return len(names)


@lru_cache(maxsize=2)
def detectors(run: Path) -> pl.DataFrame:
    """Return units whose best concept of a category is over the cut-off: a row for each unit and such a concept.

    `label` tells whether it is the unit's label, its best concept of all categories, of which `standing` says what it is
    worth. Sorted by standing, best first, then by IoU.
    """
    units = labels(run).select(
        "model", "layer", "unit", pl.col("concept").alias("best"), "best_per_category", "standing"
    )
    rows = units.explode("best_per_category").unnest("best_per_category").filter(pl.col("iou") > DETECTOR_IOU)
    ranked = rows.with_columns((pl.col("concept") == pl.col("best")).alias("label"))
    return ranked.sort("standing", "iou", "model", "layer", "unit", descending=[False, True, False, False, False])


def _counted(rows: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Count units by layer."""
    counts = Counter((row["model"], row["layer"]) for row in rows)
    return [(model, layer, count) for (model, layer), count in sorted(counts.items())]


def _images(where: ReportPlace, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return images among the thumbnails that hold each concept, with its outline."""
    plan = where.plan
    look = next(iter(looks_of(plan).values()))
    slots = where.slots(look)
    if not len(slots.slot):
        return {}
    shown: dict[int, int] = {}
    for view in slots.view.tolist():
        shown.setdefault(int(plan.views.image[view]), view)
    held = images_with(plan, names, np.array(list(shown), np.int32), IMAGES)
    pairs = [(shown[image], name) for name, images in held.items() for image in images]
    paths = labelled_paths(plan, look, pairs)
    uris = Dataset(plan.data).images["uri"]
    return {
        name: [
            {
                "image": image,
                "view": shown[image],
                "file": uris[image].as_py().rsplit("/", 1)[-1],
                "thumbnail": Thumbnail.at(int(slots.slot[shown[image]]), look),
                "labelled": paths[shown[image], name],
            }
            for image in images
            if (shown[image], name) in paths
        ]
        for name, images in held.items()
    }


__all__ = ["IMAGES", "OWN", "UNITS", "ConceptBlock", "detectors", "write_concepts"]
