"""What localising parts found: nodes of a graph beside baselines without one."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.localize.edited import AFTER, BEFORE, RANDOM
from filterscope.pipeline.methods.localize.edits import Asked
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


_CURVE = ["model", "category", "part", "layers", "draw"]
_EDIT = ["model", "category", "part", "layers", "shots", "share", "draw"]


def edits_of(run: str | Path, asked: Asked) -> pl.DataFrame:
    """Return the rows of `edited_localization` for one question."""
    rows = schemas.scan_edited_localization(run)
    return rows.filter(*(pl.col(name) == getattr(asked, name) for name in _EDIT)).collect()


def before_and_after(run: str | Path) -> pl.DataFrame:
    """Return how far off a part is before and after a person's decisions, all of them, and with each control."""
    rows = schemas.scan_edited_localization(run)
    last = pl.col("decisions").is_null() | (pl.col("decisions") == pl.col("decisions").max().over(_EDIT))
    return rows.filter(last).drop("images").collect()


def decision_curve(run: str | Path) -> pl.DataFrame:
    """Return the error against the number of decisions: model, category, part, layers, draw, decisions, distance, its band."""
    rows = schemas.scan_edited_localization(run).filter(pl.col("method").is_in([BEFORE, AFTER]))
    decisions = pl.col("decisions").fill_null(0)
    band = (pl.col(f"distance_{end}").alias(f"distance {end}") for end in ("low", "high"))
    own = rows.select(*_CURVE, decisions, "distance", *band)
    return own.sort(*_CURVE, "decisions").collect()


def decisions_made(run: str | Path) -> pl.DataFrame:
    """Return what was decided of how many nodes, and how long it took: one row per question and decision."""
    rows = (
        schemas.scan_edit_decisions(run)
        .group_by(*_EDIT, "decision")
        .agg(pl.len().alias("nodes"), pl.col("seconds").sum())
    )
    return rows.sort(*_EDIT, "decision").collect()


def edit_verdict(rows: pl.DataFrame) -> str:
    """Say whether removing nodes lowered the error, and by more than removing as many at random."""
    before = rows.filter(method=BEFORE).row(0, named=True)
    after = rows.filter(method=AFTER).sort("decisions").row(-1, named=True)
    chance = rows.filter(method=RANDOM).row(0, named=True)
    said = f"{after['removed']} of {after['nodes']} nodes removed in {after['decisions']} decisions, {after['seconds']:.0f} s: "
    said += f"{before['distance']:.3f} before, {after['distance']:.3f} after"
    if after["less"] is not None:
        said += f"; what it saves lies in [{after['less_low']:.1%}, {after['less_high']:.1%}]"
    return f"{said}; as many at random: {chance['distance']:.3f}\n"


FINDINGS = (
    Finding(
        "Parts found from a few annotated images",
        ("part_localization",),
        best_shares,
        note="Distance from the part's centre in diagonals of the input, each method at its best share of the nodes; less: by "
        "what share of the best baseline's distance, with a 95 % interval over sets of annotated images and images.",
    ),
    Finding(
        "Nodes removed by a person",
        ("edited_localization",),
        before_and_after,
        note="Distance from the part's centre before and after, in diagonals of the input; less: by what share of before's, "
        "with a 95 % interval over the same held-out images. Random removal: as many nodes. The oracle knows held-out crops.",
    ),
    Finding(
        "Error by number of decisions",
        ("edited_localization",),
        decision_curve,
        look="lines",
        note="Distance after the first decisions of a person, in their order; 0 is before.",
        terminal=False,
    ),
    Finding(
        "Decisions of a person on nodes",
        ("edit_decisions",),
        decisions_made,
        note="Unsure keeps a node. Seconds are those that its card was in front.",
        terminal=False,
    ),
)

__all__ = ["FINDINGS", "best_shares", "edit_verdict", "edits_of", "title_of", "verdict_of"]
