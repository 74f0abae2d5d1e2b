"""What a run says of biased representations: which attributes are tied, what is not as expected, what edits take."""

from itertools import combinations
from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.operators.bias.baselines import residuals
from filterscope.pipeline.methods.method import Finding
from filterscope.pipeline.run.folder import RunFolder

#: Rows of a model and layer in lists of pairs.
_SHOWN = 10
_KEYS = ["model", "layer"]
_BESIDE = [
    pl.col("unmasked"),
    pl.col("random").alias("random network"),
    pl.col("data_correlation").alias("in the data"),
    pl.col("residual"),
]


def tied(run: str | Path) -> pl.DataFrame:
    """Return the pairs whose relation the data explain least, of each model and layer.

    Returns
    -------
    polars.DataFrame
        One row per pair, by rank: the relation with its interval, the same without mask, that of the randomised network, the
        correlation in the labels and what it leaves.
    """
    rows = schemas.scan_attribute_relations(run).filter(pl.col("mean").is_not_null() & (pl.col("rank") <= _SHOWN))
    pair = ["attribute", "other"]
    relation = pl.col("mean").alias("relation")
    return rows.sort(*_KEYS, "rank").select(*_KEYS, *pair, relation, "low", "high", *_BESIDE, "rank").collect()


def against(run: str | Path) -> pl.DataFrame:
    """Return the pairs that are not as expected, of largest divergence first; of each the kind, and what `tied` has."""
    rows = schemas.scan_attribute_relations(run).filter(pl.col("kind").is_in(["blind_spot", "failure_mode"]))
    order = [*_KEYS, "divergence", "attribute", "other"]
    names = ["attribute", "other", "expected", "kind", "divergence"]
    found = rows.sort(order, descending=[False, False, True, False, False])
    relation = pl.col("mean").alias("relation")
    return found.select(*_KEYS, *names, relation, "low", "high", *_BESIDE, "assumed").collect()


def explained(run: str | Path) -> pl.DataFrame:
    """Return how much of the relations of each layer the labels explain.

    Returns
    -------
    polars.DataFrame
        One row per model and layer: pairs with a relation; the median size of a relation, and in the randomised network; those
        of the pairs that are labelled; the correlation of relation and correlation in the labels; slope and intercept of the
        line whose rest is the residual; pairs of which something is expected, and those of them that are not so.
    """
    rows = []
    for (model, layer), part in schemas.scan_attribute_relations(run).collect().sort(_KEYS).group_by(
        _KEYS, maintain_order=True
    ):  # fmt: skip
        mean, phi = (
            part[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in ("mean", "data_correlation")
        )
        _, slope, intercept = residuals(mean, phi)
        both = part.drop_nulls(["mean", "data_correlation"])
        rows.append(
            {
                "model": model,
                "layer": layer,
                "pairs": part["mean"].count(),
                "strength": part["mean"].abs().median(),
                "random network": part["random"].abs().median(),
                "labelled": both.height,
                "explained": both.select(pl.corr("mean", "data_correlation")).item() if both.height > 2 else None,
                "slope": slope,
                "intercept": intercept,
                "expected": part["kind"].count(),
                "conflicts": part["kind"].is_in(["blind_spot", "failure_mode"]).sum(),
            }
        )
    return (
        pl.DataFrame(rows).with_columns(pl.col("slope", "intercept", "explained").cast(pl.Float64).fill_nan(None))
        if rows
        else pl.DataFrame()
    )


def between_models(run: str | Path) -> pl.DataFrame:
    """Return the pairs whose relation differs most between two models of a run, at layers of one name.

    Returns
    -------
    polars.DataFrame
        One row per pair of attributes, the largest differences of every two models and layer first: both relations, and by
        how much the first exceeds the second. Empty where no two models have outputs of the same names.
    """
    rows = schemas.scan_attribute_relations(run).filter(pl.col("mean").is_not_null())
    names = rows.select("model").unique().sort("model").collect()["model"].to_list()
    pair, found = ["layer", "attribute", "other"], []
    for one, other in combinations(names, 2):
        mine = rows.filter(model=one).select(pl.col("model"), *pair, pl.col("mean").alias("relation"))
        theirs = rows.filter(model=other).select(*pair, pl.col("mean").alias("in the other"))
        joined = mine.join(theirs, on=pair).with_columns(
            pl.lit(other).alias("other model"), (pl.col("relation") - pl.col("in the other")).alias("difference")
        )
        order = ["layer", pl.col("difference").abs(), "attribute", "other"]
        ranked = joined.sort(order, descending=[False, True, False, False])
        found.append(ranked.group_by("layer", maintain_order=True).head(_SHOWN))
    if not found:
        return pl.DataFrame()
    columns = ["model", "other model", *pair, "relation", "in the other", "difference"]
    return pl.concat(found).select(columns).collect()


def matrix(run: str | Path) -> pl.DataFrame:
    """Return all relations of the last audited layer of each model: attribute, other, relation, expected, kind, residual."""
    rows = (
        schemas.scan_attribute_relations(run)
        .join(_last_layers(run).lazy(), on=_KEYS)
        .sort("model", "attribute", "other")
    )
    return rows.select(
        *_KEYS, "attribute", "other", pl.col("mean").alias("relation"), "expected", "kind", *_BESIDE[2:]
    ).collect()


def _last_layers(run: str | Path) -> pl.DataFrame:
    models = (
        RunFolder(Path(run)).plan().models if schemas.scan_attribute_relations(run).limit(1).collect().height else ()
    )
    rows = [(model.name, model.layers[-1].name) for model in models]
    return pl.DataFrame(rows, schema={"model": pl.String, "layer": pl.String}, orient="row")


def patterns(run: str | Path) -> pl.DataFrame:
    """Return the maps of the attributes that conflict or are tied most strongly, for drawing.

    Returns
    -------
    polars.DataFrame
        One row per pair of attributes, up to eight for each model, conflicts first: what `against` has of it, and `views`,
        a list with view, and score, map, rows, columns and scale of either attribute.
    """
    maps = schemas.scan_attribute_patterns(run).collect()
    if not maps.height:
        return pl.DataFrame()
    relations = schemas.scan_attribute_relations(run).collect()
    layers = maps.select(_KEYS).unique()
    conflict = pl.col("kind").is_in(["blind_spot", "failure_mode"]).fill_null(value=False)
    pairs = (
        relations.drop("views")
        .join(layers, on=_KEYS)
        .filter(pl.col("mean").is_not_null())
        .with_columns(conflict.alias("conflict"))
        .sort("model", "conflict", "divergence", "rank", descending=[False, True, True, False], nulls_last=True)
        .group_by("model", maintain_order=True)
        .head(8)
    )
    shown = maps.group_by("model", "attribute", "view", maintain_order=True).agg(
        pl.struct("score", "height", "width", "map", "scale").first().alias("pattern")
    )
    both = (
        pairs.select("model", "attribute", "other")
        .join(shown, on=["model", "attribute"], maintain_order="left")
        .join(
            shown.rename({"attribute": "other", "pattern": "beside"}),
            on=["model", "other", "view"],
            maintain_order="left",
        )
        .group_by("model", "attribute", "other", maintain_order=True)
        .agg(pl.struct("view", "pattern", "beside").alias("views"))
    )
    found = pairs.join(both, on=["model", "attribute", "other"], maintain_order="left")
    kind = pl.when(conflict).then("kind").otherwise(None).alias("kind")
    relation = pl.col("mean").alias("relation")
    return found.select(*_KEYS, "attribute", "other", "expected", kind, relation, *_BESIDE[2:], "views")


def edits(run: str | Path) -> pl.DataFrame:
    """Return what edits of regions take from the attributes, the largest effect of each model first.

    Returns
    -------
    polars.DataFrame
        One row per model, attribute, region and edit: the columns of `region_edits`.
    """
    rows = schemas.scan_region_edits(run)
    order = ["model", "effect", "attribute", "region", "edit"]
    columns = (
        "model", "attribute", "region", "edit", "views", "effect", "effect_low", "effect_high", "control", "share_lost", "low",
        "high", "flips", "control_flips", "role",
    )  # fmt: skip
    return rows.sort(order, descending=[False, True, False, False, False]).select(*columns).collect()


def of_context(run: str | Path) -> pl.DataFrame:
    """Return how much attributes depend on regions that they are not seen in, where the user says which these are.

    Returns
    -------
    polars.DataFrame
        One row per model, attribute and edit: the region of its own of largest effect, the largest context, the effects of
        both, and `context share`, that of the context over that of its own; largest first.
    """
    rows = schemas.scan_region_edits(run).filter(pl.col("role").is_not_null()).collect()
    keys = ["model", "attribute", "edit"]

    def largest(role: str, name: str) -> pl.DataFrame:
        ranked = rows.filter(role=role).sort(*keys, "effect", "region", descending=[False, False, False, True, False])
        first = ranked.group_by(keys, maintain_order=True).first()
        return first.select(*keys, pl.col("region").alias(name), pl.col("effect").alias(f"{name} effect"))

    if not rows.height:
        return pl.DataFrame()
    share = (pl.col("context effect").clip(0) / pl.col("own effect").clip(1e-9)).clip(0, 99).alias("context share")
    found = largest("own", "own").join(largest("context", "context"), on=keys).with_columns(share)
    return found.sort("model", "edit", "context share", "attribute", descending=[False, False, True, False])


def pictured(run: str | Path) -> pl.DataFrame:
    """Return an edited view of each attribute, region and edit, those of the largest effect first.

    Returns
    -------
    polars.DataFrame
        One row per row of `edited_views`: model, attribute, region, edit, view, `before`, `after`, `under control`,
        `effect`; and `views`, the view.
    """
    keys = ["model", "attribute", "region", "edit"]
    rows = schemas.scan_edited_views(run).join(schemas.scan_region_edits(run).select(*keys, "effect"), on=keys)
    ranked = rows.sort("effect", *keys, descending=[True, False, False, False, False]).rename(
        {"control": "under control"}
    )
    listed = pl.concat_list("view").alias("views")
    return ranked.select(*keys, "view", "before", "after", "under control", "effect", listed).collect()


_NOTE = (
    "relation: the mean cosine of what speaks for either output; 1 the same evidence, -1 opposite evidence. Beside it that of "
    "a network whose weights are in another order, and the correlation of both labels in the data: a relation that follows the "
    "data may be a bias of the data. residual: what that correlation does not explain."
)
_EDITS = (
    "Parts of the contrast of the mean scores with and without the attribute. control: painted elsewhere, or pasted from "
    "another view with the attribute; effect: less the control, so that seams and holes as such do not count."
)

FINDINGS = (
    Finding("Attributes tied together", ("attribute_relations",), tied, note=_NOTE),
    Finding(
        "Relations that are not as expected",
        ("attribute_relations",),
        against,
        note="blind_spot: a relation that is expected is missing. failure_mode: one is there that is not expected, or of the "
        "other sign. divergence: of the relation from what is expected, in nats. Attributes of one place share patterns "
        "whatever the data say: expect these before calling them a bias.",
    ),
    Finding(
        "What the labels explain of relations",
        ("attribute_relations",),
        explained,
        note="explained: the correlation, over pairs, of the relation with the correlation of the labels.",
    ),
    Finding("Relations in the last layer", ("attribute_relations",), matrix, look="matrix", note=_NOTE, terminal=False),
    Finding(
        "Relations that differ between models",
        ("attribute_relations",),
        between_models,
        note="At layers of one name. What one network ties together and another of the same data and architecture does not.",
    ),
    Finding(
        "Inference patterns",
        ("attribute_patterns", "attribute_relations"),
        patterns,
        look="patterns",
        note="Where a view speaks for an attribute, red, and against it, blue. The scale of an attribute is the same on all "
        "views: its end is the 99.5 % quantile over all of them.",
        terminal=False,
    ),
    Finding("What edits of regions take", ("region_edits",), edits, note=_EDITS),
    Finding(
        "Edited views",
        ("edited_views", "region_edits"),
        pictured,
        look="gallery",
        note="The first view that was drawn of each attribute and region, not one that suits; the edits of largest effect over "
        "all views first. Scores of the attribute stand below.",
        terminal=False,
    ),
    Finding(
        "Own regions and context",
        ("region_edits",),
        of_context,
        note="Of the regions that an attribute is seen in, and of the others, the one with the largest effect.",
    ),
)

__all__ = [
    "FINDINGS",
    "against",
    "between_models",
    "edits",
    "explained",
    "matrix",
    "of_context",
    "patterns",
    "pictured",
    "tied",
]
