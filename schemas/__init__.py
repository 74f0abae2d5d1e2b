"""Arrow schemas of every table, and `scan_*` functions that return Polars LazyFrames of a run.

>>> import schemas
>>> schemas.scan_units("runs/first").filter(pl.col("detector")).collect()  # doctest: +SKIP
"""

from functools import partial
from pathlib import Path

import polars as pl

from filterscope.pipeline.stores.places import path_of, scan_files
from filterscope.schemas import dataset, results


def scan(run: str | Path, name: str) -> pl.LazyFrame:
    """Open one table of a run lazily.

    Parameters
    ----------
    run : path
        The run folder.
    name : str
        A table of `schemas.results.TABLES`.

    Returns
    -------
    polars.LazyFrame
        All rows of the table, in file order; empty with the right columns if the run has not written it.

    Raises
    ------
    KeyError
        If there is no such table.
    """
    if name not in results.TABLES:
        raise KeyError(f"no table {name!r}; tables are: {', '.join(results.TABLES)}")
    if name == "layers":
        return _with_offsets(_stored(run, "layers"), _stored(run, "layer_fields"))
    return _stored(run, name)


def _stored(run: str | Path, name: str) -> pl.LazyFrame:
    parts = sorted((path_of(run) / "tables" / name).rglob("*.parquet"))
    if not parts:
        return pl.DataFrame(results.TABLES[name].empty_table()).lazy()
    return scan_files(parts, hive_partitioning=False)


def _with_offsets(layers: pl.LazyFrame, fields: pl.LazyFrame) -> pl.LazyFrame:
    """Join the anchor offsets that were measured to the layers, and say why others are null."""
    keys, offsets = ["model", "layer"], ["anchor_offset_y", "anchor_offset_x"]
    measured = fields.select(*keys, *offsets, pl.lit(value=True).alias("measured"))
    joined = layers.join(measured, on=keys, how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("measured").is_null())
        .then(pl.lit("not measured; --metrics receptive-field measures it"))
        .when(pl.col("anchor_offset_y").is_null())
        .then(pl.lit("no unit that was measured has an empirical field, or the layer has no theoretical one"))
    )
    return joined.with_columns(reason.alias("no_offset")).drop("measured")


def scan_layer(run: str | Path, name: str, model: str, layer: str) -> pl.LazyFrame:
    """Open the part of a table that one layer wrote, without looking at the others'; otherwise as `scan`."""
    if name not in results.TABLES:
        raise KeyError(f"no table {name!r}; tables are: {', '.join(results.TABLES)}")
    parts = sorted((path_of(run) / "tables" / name / f"model={model}" / f"layer={layer}").glob("*.parquet"))
    if not parts:
        return pl.DataFrame(results.TABLES[name].empty_table()).lazy()
    return scan_files(parts, hive_partitioning=False, glob=False)


scan_models = partial(scan, name="models")
scan_layers = partial(scan, name="layers")
scan_views = partial(scan, name="views")
scan_concepts = partial(scan, name="concepts")
scan_thresholds = partial(scan, name="thresholds")
scan_activation_histograms = partial(scan, name="activation_histograms")
scan_units = partial(scan, name="units")
scan_unit_concept = partial(scan, name="unit_concept")
scan_unit_image = partial(scan, name="unit_image")
scan_top_images = partial(scan, name="top_images")
scan_unit_significance = partial(scan, name="unit_significance")
scan_layer_significance = partial(scan, name="layer_significance")
scan_detector_growth = partial(scan, name="detector_growth")
scan_part_interpretability = partial(scan, name="part_interpretability")
scan_unit_anchorings = partial(scan, name="unit_anchorings")
scan_label_stability = partial(scan, name="label_stability")
scan_receptive_fields = partial(scan, name="receptive_fields")
scan_layer_fields = partial(scan, name="layer_fields")
scan_location_instability = partial(scan, name="location_instability")
scan_patterns = partial(scan, name="patterns")
scan_unit_patterns = partial(scan, name="unit_patterns")
scan_pattern_positions = partial(scan, name="pattern_positions")
scan_graph_nodes = partial(scan, name="graph_nodes")
scan_graph_edges = partial(scan, name="graph_edges")
scan_graph_candidates = partial(scan, name="graph_candidates")
scan_node_positions = partial(scan, name="node_positions")
scan_node_instability = partial(scan, name="node_instability")
scan_graph_summary = partial(scan, name="graph_summary")
scan_part_localization = partial(scan, name="part_localization")
scan_rejects = partial(scan, name="rejects")
scan_runs = partial(scan, name="runs")

__all__ = ["dataset", "results", "scan", *(name for name in dir() if name.startswith("scan_"))]
