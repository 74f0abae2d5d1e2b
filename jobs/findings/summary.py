"""The findings of a run in a screenful, computed from its tables alone."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.jobs.findings.comparisons import anchoring_summary, growth_summary, part_summary
from filterscope.operators.dissection.scores import DETECTOR_IOU, unique_per_category, unique_top1
from filterscope.pipeline.methods.location.findings import location_summary
from filterscope.pipeline.methods.patterns.findings import pattern_summary
from filterscope.pipeline.methods.receptive_field.costs import field_costs
from filterscope.pipeline.methods.receptive_field.findings import fields_summary
from filterscope.pipeline.stores.places import is_object, path_of


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


def headline(run: str | Path) -> pl.DataFrame:
    """Return four numbers a layer: units over 0.04, those expected by chance, significant ones, replicating ones.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row a (model, layer), sorted, with the number of eligible concepts of each category as text; empty where the
        run has no significance.
    """
    layers = schemas.scan_layer_significance(run).sort("model", "layer").collect()
    if not layers.height:
        return pl.DataFrame()
    eligible = [", ".join(f"{e['concepts']} {e['category']}" for e in row) for row in layers["eligible"].to_list()]
    return layers.select(
        "model",
        "layer",
        pl.col("over_cutoff").alias("over 0.04"),
        pl.col("expected_by_chance").round(1).alias("expected by chance"),
        "significant",
        "replicating",
        pl.Series("eligible concepts", eligible),
    )


def trust(over: int, by_chance: float, significant: int) -> str:
    """Say which of a layer's numbers to trust."""
    if not over and not significant:
        return "no unit is over 0.04: there is no label to trust"
    if not significant:
        return (
            f"trust none of the {over} labels over 0.04: {by_chance:.0f} are expected by chance, and no unit stands out"
        )
    if by_chance > 0.05 * over:
        return (
            f"trust the {significant} significant units, most of all those that replicate; of the {over} over 0.04, "
            f"{by_chance:.0f} are expected by chance"
        )
    return f"0.04 holds here: {by_chance:.1f} of the {over} units over it are expected by chance"


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
    for model, layer, over, by_chance, significant, *_ in headline(run).iter_rows():
        lines.append(f"{model} {layer}: {trust(over, by_chance, significant)}")
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
        (headline(run), "Labels against chance: permuted annotations, held-out images"),
        (anchoring_summary(run), "Detectors under both anchorings"),
        (growth_summary(run), "Units over 0.04 on samples of the images, observed and by chance"),
        (part_summary(run), "Part interpretability: mean over units of P_f, the share of views on which IoU > 0.2"),
        (strongest_units(run, strongest), "Strongest units of each layer"),
        (location_summary(run), "Where units look: location instability beside a fixed and a uniform position"),
        (pattern_summary(run), "Patterns: how many kinds of pattern the peaks of a filter are clusters of"),
        (fields_summary(run), "What units react to: median fields found by occlusion, input pixels"),
        (field_costs(run), "Cost of receptive-field: time of workers, shared by all layers of a model"),
    ):
        if not frame.height:
            continue
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        for name, kind in zip(frame.columns, frame.dtypes, strict=True):
            table.add_column(name, justify="right" if kind.is_numeric() else "left")
        for row in frame.iter_rows():
            table.add_row(*(_text(value) for value in row))
        console.print(table)
    for line in warnings(run):
        console.print(f"note: {line}", highlight=False)
    console.print(f"tables: {path_of(run) / 'tables'}", highlight=False)
    page = path_of(run) / "report" / "index.html"
    write = f"filterscope report {run}{' --out FOLDER' if is_object(page) else ''}"
    console.print(f"report: {page if page.exists() else f'`{write}` writes it'}", highlight=False)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1 else f"{value:.1f}"
    return "" if value is None else str(value)
