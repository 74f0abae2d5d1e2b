"""What the search box and the menu of layers look through, in files that a page loads when one of them is first used.

Models, layers, graphs and concepts are in one file. A unit is found by its number, for which that of its layer's units is
enough, or by its concept: the best units of a concept are in a file with those of its neighbours. So no file grows with the
number of units, and images are in files of `IMAGES`.
"""

from typing import Any

import polars as pl

from filterscope.jobs.report.pictures import file_name, shown_images
from filterscope.jobs.report.place import ReportPlace, search_place
from filterscope.jobs.report.render import kind, slug, write_script
from filterscope.jobs.report.sections.facts import concepts_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.significance.findings import labels
from filterscope.pipeline.methods.significance.trust import STANDINGS

#: Tables that the index is made of.
OWN = ("concepts", "units", "unit_significance", "unit_concept")
#: Units that are listed for a concept; concepts in a file of units, and images in a file of images.
UNITS, CONCEPTS, IMAGES = 8, 100, 5000


def write_search(where: ReportPlace, _: None = None) -> int:
    """Write everything that the search box looks through, and return how many files."""
    concepts, images = concepts_of(where.plan.run), _images(where)
    layers = [(model.name, layer) for model in where.plan.models for layer in model.layers]
    layers = [(model, layer) for model, layer in layers if (model, layer.name) in where.layers]
    labelled = _labelled(where, {(model, layer.name): number for number, (model, layer) in enumerate(layers)})
    models = {model.name: number for number, model in enumerate(where.plan.models)}
    files: dict[str, Any] = {
        "names": {
            "models": list(models),
            "layers": [[models[model], layer.name, layer.channels] for model, layer in layers],
            "graphs": [[models[model], category, slug(category)] for model, category in sorted(where.graphs)],
            "concepts": _concepts(concepts, labelled),
            "standings": STANDINGS,
            "block": CONCEPTS,
            "images": -(-len(images) // IMAGES),
        },
        **{f"images-{n // IMAGES}": images[n : n + IMAGES] for n in range(0, len(images), IMAGES)},
    }
    best = {name: part for (name,), part in labelled.group_by("concept", maintain_order=True)}
    for start in range(0, concepts.height, CONCEPTS):
        names = concepts["concept"][start : start + CONCEPTS]
        files[f"units-{start // CONCEPTS}"] = [_units(best[name]) if name in best else [] for name in names]
    for name, held in files.items():
        place = search_place(name)
        write_script(where.site, place, "finder.told", "/".join(place), held)
    return len(files)


def _labelled(where: ReportPlace, layers: dict[tuple[str, str], int]) -> pl.DataFrame:
    """Return units that have a label with the numbers of their layers and standings, the best label first."""
    units = labels(where.plan.run).filter(pl.col("standing") != STANDINGS[-1])
    numbers = pl.DataFrame(
        [(*layer, number) for layer, number in layers.items()],
        {"model": pl.String, "layer": pl.String, "number": pl.Int32},
        orient="row",
    )
    placed = units.join(numbers, on=["model", "layer"])
    return placed.sort("standing", "iou", "number", "unit", descending=[False, True, False, False])


def _concepts(concepts: pl.DataFrame, labelled: pl.DataFrame) -> list[list[Any]]:
    """Return of each concept its name, category, class of its colour, page, and how many units it labels, and strongly."""
    counts = labelled.group_by("concept").agg(pl.len(), (pl.col("standing") == STANDINGS[0]).sum().alias("strong"))
    counted = {name: count for name, *count in counts.iter_rows()}
    return [
        [name, category, kind(category), slug(name), *counted.get(name, (0, 0))]
        for name, category in concepts.select("concept", "category").iter_rows()
    ]


def _units(rows: pl.DataFrame) -> list[list[Any]]:
    """Return layer, unit, standing and IoU of the units that are listed for a concept."""
    shown = rows.head(UNITS).select("number", "unit", pl.col("standing").to_physical(), pl.col("iou").round(4))
    return [list(row) for row in shown.iter_rows()]


def _images(where: ReportPlace) -> list[list[Any]]:
    """Return number and file name of the images that have pages: those that some page shows."""
    shown = shown_images(where)
    names = Dataset(where.plan.data).images["uri"].take(shown).to_pylist() if shown else []
    return [[image, file_name(name)] for image, name in zip(shown, names, strict=True)]


__all__ = ["CONCEPTS", "IMAGES", "OWN", "UNITS", "write_search"]
