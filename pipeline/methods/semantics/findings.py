"""What a run says of units beside directions that are none."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

_NOTE = (
    "Purity: share of the strongest images with the label that most of them have. Units are special where random directions "
    "and rotated bases hardly ever have as high a mean (p). Likeness: the same images compared by their colours alone."
)


def headline(run: str | Path) -> pl.DataFrame:
    """Return how pure and coherent the units of each layer are, beside other directions and images at random.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row per model, layer and basis; `layer_semantics` without its counts, and without what another network says where
        none was named.
    """
    found = schemas.scan_layer_semantics(run).sort("model", "depth").drop("depth", "directions", "draws").collect()
    judged = found.height > 0 and found["coherence"].null_count() < found.height
    return found if judged else found.drop("coherence", "coherence_chance", "coherence_p")


def by_depth(run: str | Path) -> pl.DataFrame:
    """Return the mean purity of units, of every other basis and of images at random layer by layer, in order of depth."""
    columns = ("model", "basis", "depth", "purity", "purity low", "purity high", "purity_chance")
    ends = (pl.col("purity_low").alias("purity low"), pl.col("purity_high").alias("purity high"))
    rows = schemas.scan_layer_semantics(run).sort("model", "basis", "depth")
    return rows.with_columns(*ends).select(*columns).collect()


def of_layer(run: str | Path, model: str, layer: str, count: int = 6) -> pl.DataFrame:
    """Return the strongest images of the purest units of a layer and of the purest random directions, `count` each."""
    rows = schemas.scan_layer(run, "direction_semantics", model, layer).filter(
        pl.col("basis").is_in(["unit", "random"])
    )
    return (
        rows.sort(pl.col("basis") == "random", -pl.col("purity"), "direction")
        .group_by("basis", maintain_order=True)
        .head(count)
        .select("model", "layer", "basis", "direction", "concept", "purity", "concept_share", "likeness", "views")
        .collect()
    )


def of_units(run: str | Path, model: str, layer: str) -> pl.DataFrame:
    """Return the label and purity of the units of a layer that were measured."""
    rows = schemas.scan_layer(run, "direction_semantics", model, layer).filter(pl.col("basis") == "unit")
    named = pl.col("direction").alias("unit")
    return (
        rows.sort("direction")
        .select("model", "layer", named, "concept", "purity", "concept_share", "likeness")
        .collect()
    )


FINDINGS = (
    Finding("Units and other directions", ("layer_semantics",), headline, note=_NOTE),
    Finding(
        "Purity by depth",
        ("layer_semantics",),
        by_depth,
        look="lines",
        note="Layers in the order of the network. The band holds 95 % of rotated bases; chance is images at random.",
        terminal=False,
    ),
    Finding(
        "Strongest images of units and of random directions",
        ("direction_semantics",),
        of_layer,
        per="layer",
        look="strips",
        bars=("purity", "concept_share"),
        note="The purest of each. Random directions are those of the first draw.",
    ),
    Finding("What its strongest images have in common", ("direction_semantics",), of_units, per="unit", note=_NOTE),
)

__all__ = ["FINDINGS", "by_depth", "headline", "of_layer", "of_units"]
