"""The findings of a run in a screenful, computed from its tables alone."""

from pathlib import Path

import polars as pl

import schemas
from operators.dissection import DETECTOR_IOU, unique_per_category, unique_top1


def layer_summary(run: str | Path) -> pl.DataFrame:
    """Summarise every layer: detectors, both unique counts, mean top IoU, dead and saturated units.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row a (model, layer), sorted.
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


def strongest_units(run: str | Path, count: int) -> pl.DataFrame:
    """Return the units of highest IoU in each layer, `count` a layer."""
    columns = ["model", "layer", "unit", "concept", "category", "iou", "runner_up", "association"]
    ranked = schemas.scan_units(run).sort(["iou", "unit"], descending=[True, False])
    return ranked.group_by(["model", "layer"], maintain_order=True).head(count).select(columns).collect()


def warnings(run: str | Path) -> list[str]:
    """Return what a reader of the findings should know first."""
    summary, lines = layer_summary(run), []
    for row in summary.iter_rows(named=True) if summary.height else ():
        if row["saturated"]:
            lines.append(
                f"{row['model']} {row['layer']}: {row['saturated']} of {row['units']} units saturate (T is their maximum, "
                "so nothing is above it); tap the module before the activation"
            )
        if row["dead"]:
            lines.append(f"{row['model']} {row['layer']}: {row['dead']} of {row['units']} units are dead")
    rejects = schemas.scan_rejects(run).collect()
    small = (rejects["stage"] == "views").sum()
    for count, what in ((rejects.height - small, "images were rejected"), (small, "objects make no view")):
        if count:
            lines.append(f'{count} {what}; `filterscope query {run} "select * from rejects"` says why')
    return lines


def print_summary(run: str | Path, *, strongest: int = 5) -> None:
    """Print the findings and where the tables are."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = 140
    for frame, title in (
        (layer_summary(run), f"Detectors: IoU > {DETECTOR_IOU}"),
        (strongest_units(run, strongest), "Strongest units of each layer"),
    ):
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        for name, kind in zip(frame.columns, frame.dtypes, strict=True):
            table.add_column(name, justify="right" if kind.is_numeric() else "left")
        for row in frame.iter_rows():
            table.add_row(*(f"{v:.4f}" if isinstance(v, float) else "" if v is None else str(v) for v in row))
        console.print(table)
    for line in warnings(run):
        console.print(f"note: {line}", highlight=False)
    console.print(f"tables: {Path(run) / 'tables'}", highlight=False)
