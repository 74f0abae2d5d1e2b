"""Pages of images: what the data set says of each and which units fire there, and the grid of all that are shown."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from filterscope import schemas
from filterscope.jobs.report.pictures import drawn_size, file_name, shown_images
from filterscope.jobs.report.place import ReportPlace, image_place
from filterscope.jobs.report.render import kind, url, write_page, write_script
from filterscope.jobs.report.sections.facts import concepts_of
from filterscope.jobs.report.sections.labelled import Annotation, annotations
from filterscope.jobs.report.thumbnails import looks_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.dissection.options import mask_size
from filterscope.pipeline.methods.significance.findings import labels

#: Tables that pages of images show.
OWN = ("unit_image", "top_images", "units", "unit_significance", "unit_concept", "concepts", "views")
#: Units on the page of an image.
UNITS = 40

_UNIT = ["model", "layer", "unit"]


@dataclass(frozen=True)
class ImageBlock:
    """Some images that pages show, and those before and after them."""

    images: tuple[int, ...]
    before: int | None
    after: int | None


def write_images(where: ReportPlace, block: ImageBlock) -> int:
    """Write the pages of some images."""
    plan, images = where.plan, list(block.images)
    dataset = Dataset(plan.data)
    rows = dataset.images.take(images).select(["image", "uri", "height", "width", "split", "group"]).to_pylist()
    held: dict[int, list[Annotation]] = {image: [] for image in images}
    for found in annotations(dataset, images):
        held[found.image].append(found)
    units = fired(where, images)
    views = _views(where, images)
    concepts = frozenset(concepts_of(plan.run)["concept"])
    walk = [block.before, *images, block.after]
    for n, row in enumerate(rows):
        image = row["image"]
        write_page(
            where.site,
            image_place(image),
            "image.html",
            run=str(plan.run),
            row=row,
            name=file_name(row["uri"]),
            drawn=drawn_size(row["height"], row["width"]),
            annotations=[_listed(found, concepts) for found in held[image]],
            units=units[image][1],
            total=units[image][0],
            views=views[image],
            models=len(plan.models),
            previous=walk[n],
            following=walk[n + 2],
        )
    return len(images)


def _listed(found: Annotation, concepts: frozenset[str]) -> dict[str, Any]:
    return {
        "concept": found.concept,
        "category": found.category,
        "pixels": found.pixels,
        "share": found.share,
        "whole": not found.masks,
        "page": found.concept in concepts,
    }


def fired(where: ReportPlace, images: list[int]) -> dict[int, tuple[int, list[dict[str, Any]]]]:
    """Return how many units are above T somewhere in each image, and those of most worth.

    They are in order of their standing, then those that have the image among their strongest by its rank, then by how much
    of the image is above T.
    """
    run, here = where.plan.run, pl.col("image").is_in(pl.Series(images, dtype=pl.Int32).implode())
    above = (
        schemas.scan_unit_image(run)
        .filter(here)
        .group_by("image", *_UNIT)
        .agg(pl.col("maximum", "activated").max(), pl.len().alias("views"))
    )
    ranks = schemas.scan_top_images(run).filter(here).group_by("image", *_UNIT).agg(pl.col("rank").min())
    sizes = {model.name: mask_size(where.plan, model) for model in where.plan.models}
    masks = pl.LazyFrame({"model": list(sizes), "pixels": [rows * columns for rows, columns in sizes.values()]})
    rows = (
        above.join(ranks, on=["image", *_UNIT], how="left")
        .join(_labels(run).lazy(), on=_UNIT, how="left")
        .join(masks, on="model", how="left")
        .with_columns((pl.col("activated") / pl.col("pixels")).alias("share"))
        .sort(
            *("image", "standing", "rank", "activated", *_UNIT),
            descending=[False, False, False, True, False, False, False],
            nulls_last=True,
        )
        .collect()
    )
    found: dict[int, tuple[int, list[dict[str, Any]]]] = {image: (0, []) for image in images}
    for (image,), part in rows.group_by("image", maintain_order=True):
        found[int(str(image))] = part.height, part.head(UNITS).to_dicts()
    return found


@lru_cache(maxsize=2)
def _labels(run: Path) -> pl.DataFrame:
    return labels(run).select(*_UNIT, "concept", "category", "iou", "detector", "status", "standing")


def _views(where: ReportPlace, images: list[int]) -> dict[int, list[dict[str, Any]]]:
    """Return the views of each image: number, box, None for all of it, whether it is mirrored, and category of its object."""
    here = pl.col("image").is_in(pl.Series(images, dtype=pl.Int32).implode())
    rows = schemas.scan_views(where.plan.run).filter(here).sort("view").collect()
    found: dict[int, list[dict[str, Any]]] = {image: [] for image in images}
    for row in rows.iter_rows(named=True):
        box = None if row["x0"] is None else [row[name] for name in ("x0", "y0", "x1", "y1")]
        found[row["image"]].append({**row, "box": box})
    return found


def write_grid(where: ReportPlace, _: None = None) -> int:
    """Write the page that shows every image that has a page, and its data."""
    images = shown_images(where)
    write_page(where.site, ("images.html",), "images.html", run=str(where.plan.run), images=len(images))
    if images:
        write_script(where.site, ("images.js",), "pictures.grid", grid_of(where, images))
    return 1


def grid_of(where: ReportPlace, images: list[int]) -> dict[str, Any]:
    """Return the images that pages show, and of each concept the places of those that hold it, those with most of it first.

    An image is shown by the first of its thumbnails.
    """
    dataset, looks = Dataset(where.plan.data), list(looks_of(where.plan).values())
    place = {image: n for n, image in enumerate(images)}
    first: dict[int, tuple[int, int, int]] = {}
    for number, look in enumerate(looks):
        for slot, view in enumerate(where.slots(look).view.tolist()):
            first.setdefault(int(where.plan.views.image[view]), (number, slot, view))
    held: dict[tuple[str, str], list[Annotation]] = {}
    for found in annotations(dataset, images):
        held.setdefault((found.concept, found.category), []).append(found)
    uris = dataset.images["uri"].take(images).to_pylist()
    return {
        "looks": [
            {"seen": look.seen, "folder": url("thumbnails", look.key), "width": look.width, "height": look.height}
            for look in looks
        ],
        "images": [[image, file_name(uri), *first[image]] for image, uri in zip(images, uris, strict=True)],
        "concepts": [
            [
                concept,
                category,
                kind(category),
                [place[one.image] for one in sorted(some, key=lambda one: (-one.share, one.image))],
            ]
            for (concept, category), some in sorted(held.items())
        ],
    }


__all__ = ["OWN", "UNITS", "ImageBlock", "fired", "grid_of", "write_grid", "write_images"]
