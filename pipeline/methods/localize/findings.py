"""What localising parts found: nodes of a graph beside baselines without one."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.localize.trial import BASELINES
from filterscope.pipeline.methods.method import Finding

_TRIAL = ["model", "category", "part", "shots", "layers"]


def best_shares(run: str | Path) -> pl.DataFrame:
    """Return how far off each method is at its best share of the nodes: one row per model, category, part and method.

    Columns: model, category, part, shots, layers, method, share, distance, less, less_low, less_high, as of the table
    `part_localization`; sorted by these, the nearest method first.
    """
    rows = schemas.scan_part_localization(run).sort(*_TRIAL, "distance", "method", "share", nulls_last=True)
    first = rows.unique([*_TRIAL, "method"], keep="first", maintain_order=True)
    return first.select(*_TRIAL, "method", "share", "distance", "less", "less_low", "less_high").collect()


def title_of(rows: pl.DataFrame) -> str:
    """Say what the rows of one trial are: part, model, annotated images and crops."""
    first = rows.row(0, named=True)
    return (
        f"{first['part']} of {first['category']}, {first['model']} {first['layers']}: {first['shots']} annotated images in "
        f"{first['draws']} random sets, looked for on {first['images']} held-out crops; "
        "95 % intervals over sets and images"
    )


def verdict_of(rows: pl.DataFrame) -> str:
    """Say what methods gain over the best baseline of a trial, or lack; one line each."""
    rival = rows.filter(pl.col("method").is_in(BASELINES)).sort("distance").row(0, named=True)
    if not rival["distance"]:
        return f"{rival['method']} errs nowhere\n"
    said = [f"best baseline: {rival['method']}, {rival['distance']:.3f}"]
    for method in rows.filter(~pl.col("method").is_in(BASELINES))["method"].unique(maintain_order=True):
        best = rows.filter(method=method).sort("distance").row(0, named=True)
        share = f" at share {best['share']:g}" if "share" in best else ""
        said.append(
            f"{method}{share}: {best['distance']:.3f}, {abs(best['less']):.1%} "
            f"{'less' if best['less'] >= 0 else 'more'}; what they save lies in "
            f"[{best['less_low']:.1%}, {best['less_high']:.1%}]"
        )
    return "\n".join(said) + "\n"


FINDINGS = (
    Finding(
        "Parts found from a few annotated images",
        ("part_localization",),
        best_shares,
        note="Distance from the part's centre in diagonals of the input, each method at its best share of the nodes; less: by "
        "what share of the best baseline's distance, with a 95 % interval over sets of annotated images and images.",
    ),
)

__all__ = ["FINDINGS", "best_shares", "title_of", "verdict_of"]
