"""The page of inversions: held-out images, layer by layer, above the same pictures of five controls."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.jobs.report.place import ReportPlace
from filterscope.jobs.report.render import significant, write_page
from filterscope.jobs.report.sections.wall import SMALL, Hung, hung_picture
from filterscope.pipeline.methods.up_convolution.findings import SAID, kept
from filterscope.schemas.opening import files_under

#: Result tables that the page is made of.
OWN = ("upconvolutions", "upconvolution_pictures")
#: Name of the page.
PAGE = "inversions.html"
#: Controls in the order of the page.
CONTROLS = [said for name, said in SAID.items() if name not in ("image", "inverter")]
#: What is lost, by the measure that rises or, of the latter two, falls.
_LOST = {"colour": "colour", "place": "place", "edges": "edges", "structure": "structure", "identity": "the class"}
_RISING = ("structure", "identity")


@dataclass(frozen=True)
class Layer:
    """A layer of a model: its normalised error, the ends of its interval, errors of the controls, and what training kept."""

    name: str
    error: str
    interval: str
    share: float
    controls: list[tuple[str, float]]
    training: str


@dataclass(frozen=True)
class View:
    """A held-out image, and for every source of pictures one of each layer: the picture and its error."""

    image: Hung
    rows: list[tuple[str, list[tuple[Hung, str] | None]]]


@dataclass(frozen=True)
class ModelPart:
    """The part of the page on one model."""

    model: str
    layers: list[Layer]
    said: list[str]
    views: list[View]


def has_page(run: Path) -> bool:
    """Tell whether a run has inversions."""
    return bool(files_under(run, "tables", "upconvolution_pictures"))


def write_inversions(where: ReportPlace, _: None = None) -> int:
    """Write the page."""
    run, rows = where.plan.run, kept(where.plan.run)
    parts = [
        _part(run, model.name, [layer.name for layer in model.layers], rows.filter(model=model.name))
        for model in where.plan.models
        if rows.filter(model=model.name).height
    ]
    write_page(where.site, (PAGE,), "inversions.html", run=str(run), parts=parts, controls=CONTROLS)
    return 1


def _part(run: Path, model: str, layers: list[str], rows: pl.DataFrame) -> ModelPart:
    known = [layer for layer in layers if rows.filter(layer=layer).height]
    errors = {row["layer"]: row for row in rows.filter(measure="error").to_dicts()}
    pictures = schemas.scan(run, "upconvolution_pictures").filter(model=model).collect()
    return ModelPart(
        model, [_layer(errors[layer]) for layer in known], list(_losses(rows, known)), _views(pictures, known)
    )


def _layer(row: dict[str, float | str]) -> Layer:
    number = {name: float(value) for name, value in row.items() if isinstance(value, float)}
    return Layer(
        str(row["layer"]),
        significant(number["value"], 3),
        f"{significant(number['low'], 3)} to {significant(number['high'], 3)}" if "low" in number else "",
        min(number["value"], 1.0),
        [(significant(number[name], 3), min(number[name], 1.0)) for name in CONTROLS],
        significant(number["kept by training"], 2),
    )


def _losses(rows: pl.DataFrame, layers: list[str]) -> list[str]:
    """Return between which layers most is lost of each kind, where it is more than both intervals leave open."""
    found = []
    for measure, said in _LOST.items():
        known = {row["layer"]: row for row in rows.filter(measure=measure).drop_nulls("value").to_dicts()}
        steps = [(one, two) for one, two in pairwise(layers) if one in known and two in known]
        sign = -1 if measure in _RISING else 1
        worst = max(steps, key=lambda step: sign * (known[step[1]]["value"] - known[step[0]]["value"]), default=None)
        if worst is None:
            continue
        one, two = (known[name] for name in worst)
        apart = two["low"] > one["high"] if sign > 0 else two["high"] < one["low"]
        if apart:
            values = f"{significant(one['value'], 2)} to {significant(two['value'], 2)}"
            found.append(f"Of {said}, most is lost between {worst[0]} and {worst[1]}: {measure} goes from {values}.")
    return found


def _views(pictures: pl.DataFrame, layers: list[str]) -> list[View]:
    by_place = {(row["view"], row["layer"], row["source"]): row for row in pictures.to_dicts()}
    found = []
    for view in pictures["view"].unique().sort().to_list():
        own = next(by_place[view, layer, "image"] for layer in layers if (view, layer, "image") in by_place)
        rows = [
            (said, [_cell(by_place.get((view, layer, name))) for layer in layers])
            for name, said in SAID.items()
            if name != "image"
        ]
        found.append(View(hung_picture(own["picture"], SMALL), rows))
    return found


def _cell(row: dict[str, object] | None) -> tuple[Hung, str] | None:
    if row is None:
        return None
    return hung_picture(row["picture"], SMALL), significant(row["error"], 2)  # type: ignore[arg-type]


__all__ = ["OWN", "PAGE", "has_page", "write_inversions"]
