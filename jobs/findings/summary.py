"""The findings of a run in a screenful, computed from its tables alone."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.jobs.terminal import plain
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.dissection.findings import faint_units, layer_summary, vanished_units
from filterscope.pipeline.methods.extraction.scale import FLOAT16
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.methods.significance.findings import sentences
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.places import is_local, path_of


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
    lines += [
        f"{row['model']} {row['layer']}: {row['faint']} of {row['units']} units have activations so small that float16 rounds "
        f"them; a larger --activation-scale keeps their digits, as long as {row['largest']:.3g}, the layer's largest, times "
        "the scale stays below 65504"
        for row in faint_units(run).iter_rows(named=True)
    ]
    lines += [
        f"{row['model']} {row['layer']}: {row['vanished']} of {row['dead']} dead units are so only because float16 makes their "
        f"activations 0; a larger --activation-scale keeps them, as long as {row['largest']:.3g}, the layer's largest, times "
        "the scale stays below 65504"
        for row in vanished_units(run).iter_rows(named=True)
    ]
    lines += sentences(run)
    rejects = schemas.scan_rejects(run).filter(pl.col("stage") != FLOAT16).collect()
    small = (rejects["stage"] == "views").sum()
    for count, what in ((rejects.height - small, "images were rejected"), (small, "objects make no view")):
        if count:
            lines.append(f'{count} {what}; `filterscope query {run} "select * from rejects"` says why')
    return lines


def findings_of(run: str | Path) -> list[Finding]:
    """Return what the methods of a run found on it as a whole, for the terminal."""
    methods = registry.chosen(RunFolder.existing(run).plan().options.methods)
    return [found for method in methods for found in method.findings() if found.per == "run" and found.terminal]


def print_summary(run: str | Path) -> None:
    """Print the findings and where the tables are."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = 140
    for finding in findings_of(run):
        frame = finding.frame(run)
        if not frame.height:
            continue
        table = Table(title=Text(finding.title), title_justify="left", box=SIMPLE_HEAD)
        for name, kind in zip(frame.columns, frame.dtypes, strict=True):
            table.add_column(Text(name), justify="right" if kind.is_numeric() else "left")
        for row in frame.iter_rows():
            table.add_row(*(Text(plain(_text(value))) for value in row))
        console.print(table)
        if finding.note:
            console.print(Text(finding.note, style="dim"))
    for line in warnings(run):
        console.print(Text(plain(f"note: {line}")))
    console.print(Text(plain(f"tables: {path_of(run) / 'tables'}")))
    page = path_of(run) / "report" / "index.html"
    write = f"filterscope report {run}{'' if is_local(page) else ' --out FOLDER'}"
    console.print(Text(plain(f"report: {page if page.exists() else f'`{write}` writes it'}")))


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1 else f"{value:.1f}"
    return "" if value is None else str(value)
