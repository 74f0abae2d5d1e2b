"""The findings of a run in a screenful, computed from its tables alone."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.jobs.findings.query import fitted
from filterscope.jobs.grid import folded
from filterscope.jobs.terminal import answer, show
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
    lines += _baseline(run)
    rejects = schemas.scan_rejects(run).filter(pl.col("stage") != FLOAT16).collect()
    small = (rejects["stage"] == "views").sum()
    for count, what in ((rejects.height - small, "images were rejected"), (small, "objects make no view")):
        if count:
            lines.append(f'{count} {what}; `filterscope query {run} "select * from rejects"` says why')
    return lines


def _baseline(run: str | Path) -> list[str]:
    """Say what a run is good for whose networks all have random weights."""
    models = RunFolder.existing(run).plan().models
    if any(model.spec.seed is None for model in models):
        return []
    names = ", ".join(model.name for model in models)
    return [
        f"{names}: weights are random, so these numbers are a baseline, what units show before anything was learned; add the "
        f"trained network to the run (--model SCHEME:ARCH@WEIGHTS), and `filterscope compare {run}` holds the two against "
        "each other"
    ]


def findings_of(run: str | Path) -> list[Finding]:
    """Return what the methods of a run found on it as a whole, for the terminal."""
    methods = registry.chosen(RunFolder.existing(run).plan().options.methods)
    return [found for method in methods for found in method.findings() if found.per == "run" and found.terminal]


def print_summary(run: str | Path) -> None:
    """Print the findings and where the tables are."""
    for finding in findings_of(run):
        frame = finding.frame(run)
        if frame.height:
            answer(f"{finding.title}\n\n{fitted(frame)}{folded(finding.note) if finding.note else ''}\n")
    for line in warnings(run):
        answer(folded(f"note: {line}"))
    show(f"tables: {path_of(run) / 'tables'}")


def report_line(run: str | Path) -> str:
    """Return where the report of a run is, or what writes it."""
    page = path_of(run) / "report" / "index.html"
    write = f"filterscope report {run}{'' if is_local(page) else ' --out FOLDER'}"
    return f"report: {page if page.exists() else f'`{write}` writes it'}"
