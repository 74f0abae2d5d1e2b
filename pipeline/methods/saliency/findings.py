"""What a run says of saliency: how far maps depend on what the network learned, and what raises a score."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.method import Finding

#: Beyond it, a map shows the image more than what the network has learned.
ALIKE = 0.5
_RHO = {"rho_top": "head shuffled", "rho_all": "all shuffled", "rho_edges": "edges"}
#: Order of the rules.
_ORDER = pl.col("rule").replace_strict({"saliency": 0, "deconvnet": 1, "guided": 2}, return_dtype=pl.Int8)


def sanity(run: str | Path) -> pl.DataFrame:
    """Return how alike maps by each rule are to those of networks that learned nothing.

    Returns
    -------
    polars.DataFrame
        One row per (model, rule): views; rectifiers that followed it; medians of the rank correlation with the map of the
        network with its head shuffled, with all weights shuffled, and with the edges; whether that with the head shuffled is
        beyond `ALIKE`. Empty if the run has none.
    """
    found = schemas.scan_saliency(run).filter(pl.col("reason").is_null())
    return (
        found.group_by("model", "rule")
        .agg(
            pl.len().alias("views"),
            pl.col("rectifiers").max(),
            *(pl.col(name).median().alias(said) for name, said in _RHO.items()),
        )
        .sort("model", _ORDER)
        .with_columns(
            pl.when(pl.col("head shuffled") > ALIKE).then(pl.lit("too alike")).otherwise(pl.lit("")).alias("sanity")
        )
        .collect()
    )


def maps(run: str | Path) -> pl.DataFrame:
    """Return the maps, those of a view side by side."""
    return (
        schemas.scan_saliency(run)
        .filter(pl.col("picture").is_not_null())
        .sort("model", "view", _ORDER)
        .select("model", "name", "view", "rule", *(pl.col(name).alias(said) for name, said in _RHO.items()), "picture")
        .collect()
    )


def images(run: str | Path) -> pl.DataFrame:
    """Return the images made for classes."""
    return (
        schemas.scan_class_models(run)
        .sort("model", "class")
        .select(
            "model", "name", "score", "probability", pl.col("dataset_maximum").alias("in the data"),
            pl.col("noise_score").alias("of noise"), pl.col("scrambled_score").alias("scrambled"),
            pl.col("shuffled_score").alias("of the twin's"), pl.col("twin_gain").alias("gain of the twin"), "picture",
        )
        .collect()
    )  # fmt: skip


FINDINGS = (
    Finding(
        "Whether saliency maps depend on what was learned",
        ("saliency",),
        sanity,
        note="Rank correlations of a map with that of the same network shuffled; near 1 the map shows the image, not what was "
        "learned.",
    ),
    Finding(
        "Saliency maps",
        ("saliency",),
        maps,
        look="wall",
        terminal=False,
        note="The view, its map, that of the network with its head shuffled and that with all weights shuffled.",
    ),
    Finding(
        "Images made for classes",
        ("class_models",),
        images,
        look="wall",
        terminal=False,
        note="An image that raises the score of a class, beside the largest score in the data, on noise, on its own scrambled "
        "phases and on the image that the network with shuffled weights makes, which raises its own score by `gain of the "
        "twin`.",
    ),
)

__all__ = ["ALIKE", "FINDINGS", "images", "maps", "sanity"]
