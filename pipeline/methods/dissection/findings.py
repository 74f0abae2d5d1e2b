"""What a run says of detectors: counts by layer, and the strongest units."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.operators.dissection.scores import DETECTOR_IOU, unique_per_category, unique_top1
from filterscope.operators.numerics.scale import NORMAL
from filterscope.pipeline.methods.extraction.scale import FLOAT16
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.run.folder import RunFolder


def layer_summary(run: str | Path) -> pl.DataFrame:
    """Summarise every layer: detectors, both unique counts, mean top IoU, dead and saturated units.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer), sorted.
    """
    units = schemas.scan_units(run).collect()
    rows = []
    for (model, layer), part in units.group_by(["model", "layer"]):
        per_category = unique_per_category(
            [(best["category"], best["concept"], best["iou"]) for best in unit] for unit in part["best_per_category"]
        )
        rows.append(
            {
                "model": model,
                "layer": layer,
                "units": part.height,
                "detectors": int(part["detector"].sum()),
                "unique_top1": unique_top1(zip(part["concept"], part["iou"], strict=True)),
                "unique_per_category": sum(per_category.values()),
                "mean_top_iou": part["iou"].mean(),
                "dead": int((part["status"] == "dead").sum()),
                "saturated": int((part["status"] == "saturated").sum()),
            }
        )
    return pl.DataFrame(rows).sort("model", "layer") if rows else pl.DataFrame()


def faint_units(run: str | Path) -> pl.DataFrame:
    """Count the units whose threshold or largest activation is so small that float16 holds it with fewer digits.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer) that has such units, sorted: `faint`, `units` and the `largest` activation.
    """
    scale = RunFolder.existing(run).plan().options.activation_scale
    keys = ["model", "layer", "unit"]
    faint = (pl.col("threshold", "maximum").abs() * scale).is_between(0, NORMAL, closed="none")
    return (
        schemas.scan_units(run)
        .select(*keys, "maximum")
        .join(schemas.scan_thresholds(run).select(*keys, "threshold"), on=keys)
        .group_by("model", "layer")
        .agg(
            pl.any_horizontal(faint).sum().cast(pl.Int64).alias("faint"),
            pl.len().cast(pl.Int64).alias("units"),
            pl.col("maximum").max().alias("largest"),
        )
        .filter(pl.col("faint") > 0)
        .sort("model", "layer")
        .collect()
    )


def vanished_units(run: str | Path) -> pl.DataFrame:
    """Count the dead units that are dead because float16 makes their activations 0.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per (model, layer) that has such units, sorted: `vanished`, `dead` and the `largest` activation of its units.
    """
    known = schemas.scan_rejects(run).filter(pl.col("stage") == FLOAT16).select("item").collect()["item"]
    name = pl.concat_str("model", "layer", "unit", separator="/")
    dead = pl.col("status") == "dead"
    return (
        schemas.scan_units(run)
        .group_by("model", "layer")
        .agg(
            (dead & name.is_in(known.to_list())).sum().cast(pl.Int64).alias("vanished"),
            dead.sum().cast(pl.Int64).alias("dead"),
            pl.col("maximum").max().alias("largest"),
        )
        .filter(pl.col("vanished") > 0)
        .sort("model", "layer")
        .collect()
    )


def strongest_units(run: str | Path, count: int = 5) -> pl.DataFrame:
    """Return the units of highest IoU in each layer, `count` a layer."""
    columns = ["model", "layer", "unit", "concept", "category", "iou", "runner_up", "association"]
    ranked = schemas.scan_units(run).sort(["iou", "unit"], descending=[True, False])
    return ranked.group_by(["model", "layer"], maintain_order=True).head(count).select(columns).collect()


def uncompared(run: str | Path) -> pl.DataFrame:
    """Return the units of highest IoU in each layer where nothing says whether chance gives as much; else an empty frame."""
    judged = schemas.scan_unit_significance(run).head(1).collect().height
    return pl.DataFrame() if judged else strongest_units(run)


def images_above(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return on how many images each unit of a layer is above T, empty if the run kept no table `unit_image`.

    Columns: model, layer, unit, ``images above T``, ``views above T``, the ``views if scattered``: on how many it would be, if
    as many positions as are above T lay anywhere, all views and the mean ``mask pixels`` activated on a view above T.
    """
    size = (pl.col("height").cast(pl.Int64) * pl.col("width")).alias("cells")  # of the maps, alike for all
    cells = schemas.scan_layer(run, "top_images", model, layer).select("layer", size).unique()
    limits = schemas.scan_layer(run, "thresholds", model, layer).select("unit", "quantile", "count")
    views = pl.col("count") / pl.col("cells")
    return (
        schemas.scan_layer(run, "unit_image", model, layer)
        .group_by("model", "layer", "unit")
        .agg(
            pl.col("image").n_unique().cast(pl.Int64).alias("images above T"),
            pl.len().cast(pl.Int64).alias("views above T"),
            pl.col("activated").mean().alias("mask pixels"),
        )
        .join(limits, on="unit", how="left")
        .join(cells, on="layer", how="left")
        .sort("unit")
        .select(
            "model",
            "layer",
            "unit",
            "images above T",
            "views above T",
            (views * (1 - (1 - pl.col("quantile")) ** pl.col("cells"))).alias("views if scattered"),
            views.round().cast(pl.Int64).alias("all views"),
            "mask pixels",
        )
        .collect()
    )


FINDINGS = (
    Finding(f"Detectors: IoU > {DETECTOR_IOU}", ("units",), layer_summary),
    Finding(
        "Strongest units of each layer",
        ("units", "unit_significance"),
        uncompared,
        note="Not compared with chance: an audit with `significance` among its `--methods` says which labels stand.",
    ),
    Finding(
        "Images above the threshold",
        ("unit_image", "thresholds", "top_images"),
        images_above,
        per="unit",
        note="A unit whose activations above T were scattered over all positions at random would be above T on as many views "
        "as stated; the fewer it is, the more it waits for something. Runs with `--unit-image top` count 1,000 at most.",
    ),
)

__all__ = [
    "FINDINGS",
    "faint_units",
    "images_above",
    "layer_summary",
    "strongest_units",
    "uncompared",
    "vanished_units",
]
