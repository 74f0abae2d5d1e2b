"""What pages say of units, read from the tables alone."""

from functools import lru_cache
from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.significance.trust import STANDINGS, with_standing

_KEYS = ["model", "layer", "unit"]


def units_of(run: Path, model: str, layer: str, start: int = 0, stop: int | None = None) -> pl.DataFrame:
    """Return the units [start, stop) of a layer, a row each in order, with all that is known of each.

    Returns
    -------
    polars.DataFrame
        The columns of `units`, `thresholds` and `unit_significance`; `effective_images`, `lift` and `standard_error` of
        the unit's own label; `instability` and `fixed`, means over landmarks; `standing`, what its label is worth. Null
        where the run has not computed them.
    """
    here = pl.col("unit").is_between(start, stop, closed="left") if stop is not None else pl.col("unit") >= start

    def read(name: str) -> pl.LazyFrame:
        return schemas.scan_layer(run, name, model, layer).filter(here)

    units = read("units").with_columns(pl.col("concept").alias("label"))
    pairs = read("unit_concept").select("unit", "concept", "effective_images", "lift", "standard_error")
    located = read("location_instability").group_by("unit").agg(pl.col("instability", "fixed", "uniform").mean())
    found = (
        units.join(read("thresholds").drop("model", "layer"), on="unit", how="left")
        .join(read("unit_significance").drop("model", "layer"), on="unit", how="left")
        .join(pairs, left_on=["unit", "label"], right_on=["unit", "concept"], how="left")
        .join(located, on="unit", how="left")
        .drop("label")
        .sort("unit")
        .collect()
    )
    return with_standing(found)


def concepts_of(run: Path) -> pl.DataFrame:
    """Return the concepts of a run, each once with its largest counts over the geometries, in the order of the data set."""
    return (
        schemas.scan_concepts(run)
        .group_by("concept", "category", maintain_order=True)
        .agg(pl.col("images", "pixels").max(), pl.col("eligible").any())
        .collect()
    )


@lru_cache(maxsize=4)
def eligible_concepts(run: Path, geometry: str) -> frozenset[str]:
    """Return the concepts that may label a unit in a geometry."""
    concepts = schemas.scan_concepts(run).filter(pl.col("geometry") == geometry, pl.col("eligible"))
    return frozenset(concepts.select("concept").collect()["concept"])


def best_concepts(run: Path, model: str, layer: str, geometry: str, start: int, stop: int, count: int) -> pl.DataFrame:
    """Return the `count` eligible concepts of highest IoU of each of the units [start, stop), best first."""
    pairs = schemas.scan_layer(run, "unit_concept", model, layer).filter(
        pl.col("unit").is_between(start, stop, closed="left"), pl.col("iou") > 0
    )
    eligible = pl.Series(sorted(eligible_concepts(run, geometry)), dtype=pl.String)
    ranked = pairs.filter(pl.col("concept").is_in(eligible.implode())).collect()
    ranked = ranked.sort(["unit", "iou"], descending=[False, True], maintain_order=True)
    return ranked.group_by("unit", maintain_order=True).head(count)


def worth(units: pl.DataFrame) -> list[tuple[str, int]]:
    """Count units by what their labels are worth: each of `STANDINGS` and how many of the units are of it."""
    counted = dict(units.group_by("standing").len().iter_rows())
    return [(name, counted.get(name, 0)) for name in STANDINGS]


def label_counts(units: pl.DataFrame) -> list[tuple[str, list[tuple[str, int]]]]:
    """Count the detectors of each concept: categories with most concepts first, in each the concepts with most units."""
    counted = (
        units.filter("detector").group_by("category", "concept").len().sort("len", "concept", descending=[True, False])
    )
    groups: dict[str, list[tuple[str, int]]] = {}
    for category, concept, count in counted.iter_rows():
        groups.setdefault(category, []).append((concept, count))
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


__all__ = ["best_concepts", "concepts_of", "eligible_concepts", "label_counts", "units_of", "worth"]
