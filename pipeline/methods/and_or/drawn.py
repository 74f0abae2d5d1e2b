"""Findings of And-Or graphs as figures: templates with their patterns on crops, and what a person's answers did."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.and_or.answers import MEAN, PERSON, RANDOM
from filterscope.pipeline.methods.and_or.person import About
from filterscope.pipeline.methods.method import Finding

_ASKED = ["model", "category", "part", "layers"]
_METHODS = (PERSON, MEAN, RANDOM)
#: Templates that are drawn of a graph, patterns that are tied to each, and what parses are called, in order.
_TEMPLATES, _TIED = 6, 5
_PARSES = ("annotated", "best", "second", "median", "worst")
_MARK = pl.Struct({"kind": pl.Int64, "y": pl.Float64, "x": pl.Float64, "to_y": pl.Float64, "to_x": pl.Float64})
_VIEW = pl.Struct({"view": pl.Int64, "y": pl.Float64, "x": pl.Float64, "says": pl.String, "marks": pl.List(_MARK)})


def answers_given(run: str | Path) -> pl.DataFrame:
    """Return what a person answered, by kind: answers, and the mean of the gain that was predicted of them."""
    rows = schemas.scan_part_answers(run).group_by(*_ASKED, "answer")
    counts = pl.len().cast(pl.Int64).alias("answers"), pl.col("predicted_gain").mean()
    return rows.agg(*counts).sort(*_ASKED, "answer").collect()


def after_answers(run: str | Path) -> pl.DataFrame:
    """Return how far off the part is after the person's first template and after all answers, beside the controls."""
    rows = schemas.scan_answered_localization(run)
    answers = pl.col("answers")
    first = (answers == answers.min().over(*_ASKED, "method")) & (pl.col("method") == PERSON)
    last = answers == answers.max().over(*_ASKED, "method")
    return rows.filter(first | last).drop("images", "distance_low", "distance_high").sort(*_ASKED, "answers").collect()


def error_against_answers(run: str | Path) -> pl.DataFrame:
    """Return the mean distance after some numbers of answers, of the person and the controls, with 95 % intervals.

    After 1, 2, 4, 8 ... and all, where random crops are marked too; after each, where the data set marks none.
    """
    rows = schemas.scan_answered_localization(run).collect()
    wide = rows.filter(method=PERSON).select(*_ASKED, "answers")
    for method in _METHODS:
        own = rows.filter(method=method).select(
            *_ASKED, "answers", pl.col("distance").alias(method), pl.col("distance_low").alias(f"{method} low"),
            pl.col("distance_high").alias(f"{method} high"),
        )  # fmt: skip
        wide = wide.join(own, on=[*_ASKED, "answers"], how="left")
    known = pl.col(RANDOM).is_not_null()
    return wide.filter(known | ~known.any().over(_ASKED)).sort(*_ASKED, "answers")


def answer_verdict(run: str | Path, about: About) -> str:
    """Say how far off a part was after the first template and is now, and how far off where random crops are marked."""
    own = (pl.col(name) == getattr(about, name) for name in _ASKED)
    rows = schemas.scan_answered_localization(run).filter(*own).sort("answers").collect()
    mine, chance = rows.filter(method=PERSON), rows.filter(method=RANDOM)
    if not mine.height:
        return f"{about.part} of {about.category}: no template yet, or no held-out crop shows the part"
    first, last = mine.row(0, named=True), mine.row(-1, named=True)
    said = f"{about.part} of {about.category}, {last['answers']} answers, {last['templates']:.0f} templates: "
    said += f"{first['distance']:.3f} diagonals off with the first template, {last['distance']:.3f} now "
    said += f"[{last['distance_low']:.3f}, {last['distance_high']:.3f}] on {last['images']} held-out crops"
    if last["less"] is not None and last["answers"] > first["answers"]:
        said += f"; what answers save lies in [{last['less_low']:.1%}, {last['less_high']:.1%}]"
    if chance.height:
        said += f"; {chance['answers'][-1]} random crops, marked by their landmarks: {chance['distance'][-1]:.3f}"
    return said


def answered_parses(run: str | Path) -> pl.DataFrame:
    """Return the templates that a person's answers grew, with their patterns on crops: columns as of `grown_parses`."""
    return _parses(schemas.scan_answered_places(run).collect(), _ASKED)


def grown_parses(run: str | Path) -> pl.DataFrame:
    """Return templates of the first draw with their patterns on crops.

    Columns: model, category, part, shots, layers, template, and `views`: the annotated crop, then held-out ones from the best
    parse to the worst, each with the place of the part and `marks`, from where a pattern lies to where it expects the part.
    """
    places = schemas.scan_aog_places(run).collect()
    return _parses(pl.concat([_annotated(run), places.filter(draw=0)]), [*_ASKED[:3], "shots", "layers"])


def _annotated(run: str | Path) -> pl.DataFrame:
    """Return the patterns of templates of the first draw on the crops that they were grown from, as rows of `aog_places`."""
    keys = [*_ASKED, "shots", "draw", "template", "layer"]
    rows = schemas.scan_aog_patterns(run).filter(draw=0).sort("pattern")
    part = [(pl.col(axis) + pl.col(f"displacement_{axis}")) for axis in "yx"]
    found = rows.group_by(keys, maintain_order=True).agg(
        pl.col("template").first().alias("view"), pl.lit("annotated").alias("parse"),
        pl.lit(None, pl.Float64).alias("score"), part[0].first().alias("part_y"), part[1].first().alias("part_x"),
        pl.col("unit", "y", "x").head(12), part[0].head(12).alias("vote_y"), part[1].head(12).alias("vote_x"),
    )  # fmt: skip
    names = schemas.results.TABLES["aog_places"].names
    empty = pl.DataFrame(schemas.results.TABLES["aog_places"].empty_table())
    return found.collect().select(names).cast(dict(empty.schema))  # type: ignore[arg-type]


def _parses(places: pl.DataFrame, trial: list[str]) -> pl.DataFrame:
    rows = []
    for names, of_template in places.sort(*trial, "template").group_by(*trial, "template", maintain_order=True):
        views = [_view(of_template.filter(parse=parse)) for parse in _PARSES if (of_template["parse"] == parse).any()]
        rows.append({**dict(zip([*trial, "template"], names, strict=True)), "views": views})
    schema = {name: places.schema[name] for name in [*trial, "template"]} | {"views": pl.List(_VIEW)}
    found = pl.DataFrame(rows, schema=schema)
    return found.group_by(*trial, maintain_order=True).head(_TEMPLATES).with_columns(pl.col("template").cast(pl.String))


def _view(rows: pl.DataFrame) -> dict[str, object]:
    """Return a crop of a template, with marks: kind 0 for the upper half of the layers, 1 for the lower."""
    first = rows.row(0, named=True)
    order = [name for name in first["layers"].split(",") if name in rows["layer"].to_list()]
    marks = []
    for row in rows.iter_rows(named=True):
        kind = int(order.index(row["layer"]) >= max(1, (len(order) + 1) // 2)) if len(order) > 1 else 0
        numbers = zip(*(row[name] for name in ("y", "x", "vote_y", "vote_x")), strict=True)
        marks += [dict(zip(("kind", "y", "x", "to_y", "to_x"), (kind, *own), strict=True)) for own in numbers]
    says = first["parse"] if first["score"] is None else f"{first['parse']} {first['score']:.1f}"
    return {"view": first["view"], "y": first["part_y"], "x": first["part_x"], "says": says, "marks": marks}


def answered_graph(run: str | Path) -> pl.DataFrame:
    """Return the And-Or graph that answers grew as ties: from the part to its templates, and from these to their patterns.

    Columns: from, to, weight: 1 over the number of templates, or of the pattern's layer.
    """
    places = schemas.scan_answered_places(run).filter(parse="annotated").collect()
    return pl.DataFrame(list(_ties(places)), schema={"from": pl.String, "to": pl.String, "weight": pl.Float64})


def _ties(places: pl.DataFrame) -> Iterator[dict[str, object]]:
    for names, of_graph in places.sort(*_ASKED, "template").group_by(*_ASKED, maintain_order=True):
        part, templates = f"{names[2]} of {names[1]}", of_graph["template"].unique(maintain_order=True)[:_TEMPLATES]
        for template in templates.to_list():
            node = f"{names[2]} as on view {template}"
            yield {"from": part, "to": node, "weight": 1.0}
            for row in of_graph.filter(template=template).iter_rows(named=True):
                for unit in list(dict.fromkeys(row["unit"]))[:_TIED]:
                    yield {"from": node, "to": f"{row['layer']}, filter {unit}", "weight": 0.5}


_DRAWN = (
    "A ring is the part as annotated or found; a dot is where a pattern lies, a line leads to where it expects the part: "
    "yellow of the upper layers, blue of the lower ones. Held-out crops from the best score to the worst."
)

FINDINGS = (
    Finding(
        "And-Or graphs on crops: templates of the first draw, on the annotated crop and on held-out ones",
        ("aog_places", "aog_patterns"),
        grown_parses,
        look="strips",
        note=_DRAWN,
        terminal=False,
    ),
    Finding(
        "Answers of a person about parts",
        ("part_answers",),
        answers_given,
        note="`predicted_gain`: how much KL(P || Q) was predicted to fall, which the crop was chosen by; none where by chance.",
        terminal=False,
    ),
    Finding(
        "Parts found after a person's answers",
        ("answered_localization",),
        after_answers,
        note="After the first template, and after all answers; less: by what share the distance is below that of the first "
        "template, with a 95 % interval over the same held-out images. Random crops: as many, each "
        "marked by its landmark.",
    ),
    Finding(
        "Error against a person's answers",
        ("answered_localization",),
        error_against_answers,
        look="lines",
        note="Mean distance on held-out crops in diagonals of the input; bands are 95 % intervals over images.",
        terminal=False,
    ),
    Finding(
        "And-Or graph of a person's answers: a part is one of its templates, a template all of its patterns",
        ("answered_places",),
        answered_graph,
        look="graph",
        note="The strongest filters of each template and layer. A filter that several templates share has ties from each.",
        terminal=False,
    ),
    Finding(
        "Templates of a person's answers on crops",
        ("answered_places",),
        answered_parses,
        look="strips",
        note=_DRAWN,
        terminal=False,
    ),
)

__all__ = [
    "FINDINGS", "after_answers", "answer_verdict", "answered_graph", "answered_parses", "answers_given",
    "error_against_answers", "grown_parses",
]  # fmt: skip
