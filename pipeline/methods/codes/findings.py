"""What a run says of codes: how many axes are special, what each stands for, what codes tell of transforms."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.codes.summary import SIGNIFICANT
from filterscope.pipeline.methods.method import Finding

_KEYS = ["model", "layer", "group"]
_NOTE = (
    "Specificity: the share that one factor has in all that a step along a code changes in decoded images; without a decoder, "
    "in all that the code tells. Random directions of the same codes are the control: 95 % are less specific than random95."
)
_ROUTING = (
    "Agreement: cosine of a capsule with the votes for it, weighted by their coupling. The control weighs these votes by the "
    "coupling of other groups: as high where routing selects nothing. Of images on which the group wins."
)


def headline(run: str | Path) -> pl.DataFrame:
    """Say how many codes are more specific than random directions.

    Returns
    -------
    polars.DataFrame
        One row per model, layer and basis, sorted: groups, codes, `aligned`, those above 95 % of random directions of their
        group, `by chance`, as many as chance gives, `significant`, those with q < 0.05; mean specificity of codes and of random
        directions; and a sentence, `verdict`.
    """
    basis = schemas.scan_codes(run).select(*_KEYS, "basis").unique()
    found = (
        schemas.scan_code_summary(run)
        .join(basis, on=_KEYS)
        .filter(pl.col("specificity").is_not_null())
        .group_by("model", "layer", "basis")
        .agg(
            pl.len().alias("groups"),
            pl.col("codes").sum(),
            pl.col("aligned").sum(),
            pl.col("expected_aligned").sum().alias("by chance"),
            pl.col("significant").sum(),
            *(
                (pl.col(name) * pl.col("codes")).sum() / pl.col("codes").sum()
                for name in ("specificity", "specificity_random")
            ),
        )
        .sort("model", "layer")
        .collect()
    )
    said = [_sentence(*row) for row in found.select("codes", "aligned", "by chance").iter_rows()]
    return found.with_columns(pl.Series("verdict", said, pl.String))


def verdicts(run: str | Path) -> pl.DataFrame:
    """Return the sentence of each model and layer alone, so that it fits any terminal."""
    return headline(run).select("model", "layer", "verdict")


def _sentence(codes: int, aligned: int, chance: float) -> str:
    verb = "is" if aligned == 1 else "are"
    return f"{aligned} of {codes} codes {verb} more specific than random directions ({chance:.0f} expected)"


def best(run: str | Path, count: int = 8) -> pl.DataFrame:
    """Return the codes of each model and layer that are the most specific, `count` of a layer at most."""
    return (
        schemas.scan_codes(run)
        .filter(pl.col("specificity").is_not_null())
        .sort("model", "layer", "specificity", "group", "code", descending=[False, False, True, False, False])
        .group_by("model", "layer", maintain_order=True)
        .head(count)
        .select(
            *_KEYS, "code", "top_factor", "runner_up", "change", "specificity", "random95", "specificity_whitened", "q_value",
            "identity_kept", "identity_kept_random",
        )
        .collect()
    )  # fmt: skip


def matrix(run: str | Path) -> pl.DataFrame:
    """Return the codes with the size of what they do to each factor, or tell of it.

    Returns
    -------
    polars.DataFrame
        One row per code, sorted; `at q < .05` names the factor that the code stands for, starred, where the code is more
        specific than random directions; then a column for each factor: the size of the effect as a share of the largest in
        the group, or, without a decoder, mutual information above its null likewise.
    """
    rows = schemas.scan_code_factors(run)
    told = (pl.col("mutual_information") - pl.col("mutual_information_null")).clip(lower_bound=0)
    size = pl.when(pl.col("effect").is_not_null().any().over(_KEYS)).then(pl.col("effect").abs()).otherwise(told)
    shares = rows.with_columns(size.alias("size")).with_columns(
        (pl.col("size") / pl.col("size").max().over(_KEYS)).fill_nan(None).alias("size")
    )
    frame = shares.filter(pl.col("size").is_not_null()).sort(*_KEYS, "code").collect()
    if not frame.height:
        return pl.DataFrame()
    wide = frame.pivot("factor", index=[*_KEYS, "code"], values="size", maintain_order=True)
    star = pl.when(pl.col("q_value") < SIGNIFICANT).then(pl.col("top_factor") + "*").alias("at q < .05")
    codes = schemas.scan_codes(run).select(*_KEYS, "code", star).collect()
    return wide.join(codes, on=[*_KEYS, "code"], how="left").select(*_KEYS, "code", "at q < .05", *wide.columns[4:])


def scores(run: str | Path) -> pl.DataFrame:
    """Return MIG, SAP and DCI of each group, each beside that of randomly rotated codes."""
    names = ("mig", "sap", "disentanglement", "completeness", "informativeness")
    return (
        schemas.scan_code_summary(run)
        .filter(pl.col("informativeness").is_not_null())
        .sort(_KEYS)
        .select(*_KEYS, "codes", "factors", "images", *(part for name in names for part in (name, f"{name}_rotated")))
        .collect()
    )


def purity(run: str | Path) -> pl.DataFrame:
    """Return how purely choices stand for classes, beside permuted images; one row per group that has a choice."""
    columns = ("purity", "purity_null", "purity_encoded", "purity_encoded_null")
    return (
        schemas.scan_code_summary(run)
        .filter(pl.any_horizontal(pl.col(name).is_not_null() for name in columns))
        .sort(_KEYS)
        .select(*_KEYS, *columns)
        .collect()
    )


def classes(run: str | Path) -> pl.DataFrame:
    """Return the classes that each value of a choice stands for, most images first, three of a value at most."""
    keys = [*_KEYS, "code", "source", "value"]
    return (
        schemas.scan_code_classes(run)
        .sort(*keys, "images", "label", descending=[False] * len(keys) + [True, False])
        .group_by(keys, maintain_order=True)
        .head(3)
        .select(*keys, "label", "matched", "images", "share")
        .collect()
    )


def routing(run: str | Path) -> pl.DataFrame:
    """Return what routing selects in each network of capsules: means over the groups that win on some image."""
    names = ("agreement", "agreement_permuted", "selected", "agreement_other", "entropy")
    return (
        schemas.scan_capsule_routing(run)
        .group_by("model", "layer")
        .agg(pl.len().alias("groups"), pl.col("images").sum(), *(pl.col(name).mean() for name in names))
        .sort("model", "layer")
        .collect()
    )


def routing_of_groups(run: str | Path) -> pl.DataFrame:
    """Return the same of each group, and the type of primary capsules that it takes most from."""
    return schemas.scan_capsule_routing(run).sort(_KEYS).collect()


def transforms(run: str | Path) -> pl.DataFrame:
    """Return what codes tell of transforms of the image, beside pixels, a plain layer and permuted sizes."""
    columns = ("transform", "r2", "r2_pixels", "r2_layer", "r2_permuted", "images")
    return schemas.scan_equivariance(run).sort(*_KEYS, "transform").select(*_KEYS, *columns).collect()


def traversals(run: str | Path, count: int = 16) -> pl.DataFrame:
    """Return the pictures of the most specific codes, `count` of a model at most, one row per code and base."""
    codes = (
        schemas.scan_codes(run)
        .filter(pl.col("specificity").is_not_null())
        .sort("model", "specificity", "group", "code", descending=[False, True, False, False])
        .group_by("model", maintain_order=True)
        .head(count)
        .with_row_index("place")
        .select(*_KEYS, "code", "place", "top_factor", "specificity", "random95", "q_value")
    )
    pictures = (
        schemas.scan_code_traversals(run)
        .filter(pl.col("base") == 0)
        .sort("step")
        .group_by(*_KEYS, "code", maintain_order=True)
        .agg("value", "factors", "picture", pl.col("height", "width").first())
    )
    return codes.join(pictures, on=[*_KEYS, "code"]).sort("place").drop("place").collect()


FINDINGS = (
    Finding("Are axes of codes special", ("code_summary", "codes"), verdicts),
    Finding(
        "Codes beside random directions",
        ("code_summary", "codes"),
        lambda run: headline(run).drop("verdict"),
        note=_NOTE,
    ),
    Finding("Codes that are most specific", ("codes",), best, note=_NOTE),
    Finding(
        "Codes and factors",
        ("code_factors", "codes"),
        matrix,
        look="heat",
        note="Size of the effect of a code on a factor, or information above its null, as a share of the largest in the group. "
        "A star: q < 0.05 that a random direction is as specific.",
        terminal=False,
    ),
    Finding(
        "MIG, SAP and DCI",
        ("code_summary",),
        scores,
        note="Each beside that of randomly rotated codes, whose axes mean nothing; informativeness is R2 on held-out images.",
        terminal=False,
    ),
    Finding(
        "Choices and classes",
        ("code_summary",),
        purity,
        note="Purity: the share of images whose class is the one that the value of their choice is matched with, one to one. "
        "The null is the same with images permuted, matched anew. Classes are those of an independent classifier for decoded "
        "images, of the data set for encoded ones.",
    ),
    Finding(
        "What values of a choice stand for",
        ("code_classes",),
        classes,
        note="At most three classes of each value. Read it with the purity above: a value is matched with some class, whatever "
        "it means.",
        terminal=False,
    ),
    Finding("What routing selects", ("capsule_routing",), routing, note=_ROUTING),
    Finding("Routing to each group", ("capsule_routing",), routing_of_groups, note=_ROUTING, terminal=False),
    Finding(
        "What codes tell of transforms",
        ("equivariance",),
        transforms,
        note="R2 of the size of a transform on held-out images: from codes, from 16 principal axes of the pixels, of a plain "
        "layer, and from codes with permuted sizes.",
        terminal=False,
    ),
    Finding(
        "Images along codes",
        ("code_traversals", "codes"),
        traversals,
        look="traversals",
        note="The same code moved from -1 to 1, most specific code first, and the shapes measured in the pictures.",
        terminal=False,
    ),
)

__all__ = [
    "FINDINGS",
    "best",
    "classes",
    "headline",
    "matrix",
    "purity",
    "routing",
    "routing_of_groups",
    "scores",
    "transforms",
    "traversals",
    "verdicts",
]
