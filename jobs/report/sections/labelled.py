"""Where images hold a concept: annotations of the data set, seen as the networks see the images, as outlines."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from filterscope.jobs.report.thumbnails import SAMPLES, Look, path_of
from filterscope.operators.images.outline import outline
from filterscope.operators.images.run_lengths import sample_runs
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import scan_files


def labelled_paths(plan: Plan, look: Look, pairs: Iterable[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """Outline concepts in views.

    Parameters
    ----------
    plan : Plan
        The run, for its views and data set.
    look : Look
        How views are shown.
    pairs : iterable of (int, str)
        View and concept.

    Returns
    -------
    dict
        (view, concept) -> path data, without pairs whose image does not hold the concept or does not show it.
    """
    dataset, views = Dataset(plan.data), plan.views
    wanted: dict[tuple[int, str], list[int]] = {}
    for view, concept in pairs:
        wanted.setdefault((int(views.image[view]), concept), []).append(view)
    sizes = dataset.images.select(["height", "width"])
    shown: dict[tuple[int, str], np.ndarray] = {}
    sampled: dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]] = {}
    for image, concept, counts in _segments(dataset.folder, list(wanted)).iter_rows():
        shape = sizes["height"][image].as_py(), sizes["width"][image].as_py()
        for view in wanted[image, concept]:
            seen = (shape, views.window(view))
            if seen not in sampled:
                sampled[seen] = look.geometry.positions(shape, (SAMPLES, SAMPLES), seen[1])
            mask = (
                np.ones((SAMPLES, SAMPLES), bool) if counts is None else sample_runs(counts, shape[0], *sampled[seen])
            )
            known = shown.get((view, concept))
            shown[view, concept] = mask if known is None else known | mask
    paths = {key: path_of(outline(mask.astype(np.float64), 0.5), look) for key, mask in shown.items()}
    return {key: path for key, path in paths.items() if path}


def images_with(plan: Plan, concepts: list[str], images: np.ndarray, count: int) -> dict[str, list[int]]:
    """Return, of some images, the first `count` that hold each concept."""
    dataset = Dataset(plan.data)
    rows = (
        _named(dataset.folder, concepts)
        .select("image", "name")
        .join(pl.LazyFrame({"image": images.astype(np.int32), "order": np.arange(len(images))}), on="image")
        .unique()
        .sort("name", "order")
        .group_by("name", maintain_order=True)
        .agg(pl.col("image").head(count))
        .collect()
    )
    return dict(rows.iter_rows())


def _named(folder: Path, concepts: list[str]) -> pl.LazyFrame:
    names = scan_files([folder / "concepts.parquet"]).filter(pl.col("name").is_in(concepts)).select("concept", "name")
    return scan_files([folder / "segments.parquet"]).join(names, on="concept")


def _segments(folder: Path, wanted: list[tuple[int, str]]) -> pl.DataFrame:
    """Return image, concept and mask of the segments of (image, concept) pairs."""
    if not wanted:
        return pl.DataFrame({"image": [], "name": [], "mask": []})
    pairs = pl.DataFrame(wanted, schema={"image": pl.Int32, "name": pl.String}, orient="row").unique()
    concepts, images = pairs["name"].unique().to_list(), pairs["image"].unique()
    rows = _named(folder, concepts).filter(pl.col("image").is_in(images.implode()))
    return rows.join(pairs.lazy(), on=["image", "name"], how="semi").select("image", "name", "mask").collect()


__all__ = ["images_with", "labelled_paths"]
