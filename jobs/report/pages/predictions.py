"""Pages of predictions that `filterscope explain` has explained, and the list of them."""

import hashlib
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterscope.jobs.report.pictures import file_name
from filterscope.jobs.report.place import Place, image_place, prediction_picture, prediction_place
from filterscope.jobs.report.render import kind, url, write_page
from filterscope.jobs.report.sections.overlay import overlay, write_picture
from filterscope.jobs.report.sections.trees import parses_of
from filterscope.jobs.report.thumbnails import path_of
from filterscope.operators.images.outline import outline
from filterscope.pipeline.methods.attribution.explainers import BASELINES
from filterscope.pipeline.methods.attribution.prediction import (
    NONE,
    RANDOM,
    TRAINED,
    Explained,
    Prediction,
    explained,
    signature_of,
)
from filterscope.pipeline.run.plan import Plan
from filterscope.schemas.dataset import CATEGORIES

#: Tables that pages of predictions show.
OWN = ("decision_paths", "decision_contributions", "decision_summary", "decision_trees")
#: What methods are called where a person reads.
TITLES = {
    "grad_cam": "Grad-CAM",
    "guided_grad_cam": "Guided Grad-CAM",
    "guided": "Guided backpropagation",
    "deconvnet": "Deconvnet",
    "saliency": "Saliency",
    "gradient": "Gradient × input",
    "integrated_gradients": "Integrated gradients",
    "occlusion": "Occlusion",
    "meaningful": "Meaningful perturbation",
    "lime": "LIME",
    "pda": "Prediction differences",
    "pattern_net": "PatternNet",
    "pattern_attribution": "PatternAttribution",
    "centre": "Centre",
    "edges": "Edges",
    "random": "Noise",
}
#: Pixels of the largest region that is shown as a point is: by whether maps point near it.
POINT = 4
#: R^2 below which a method's own model of the score explains little of it.
LOW_FIT = 0.3


def write_prediction(plan: Plan, site: Path, place: tuple[str, str], *, report: bool, shown: Container[int]) -> int:
    """Write the page of a prediction and its pictures.

    Parameters
    ----------
    plan : Plan
        The run.
    site : Path
        Folder of the report.
    place : (str, str)
        Model, and name of view and class, as `explained` yields them.
    report : bool
        Whether the other pages of the report are there, to be linked.
    shown : container of int
        Images that have a page.
    """
    found = Prediction.read(plan.run, place)
    _draw(site, found)
    size = found.pixels.shape[1::-1]
    regions = {name: path_of(outline(mask.astype(np.float64), 0.5), size) for name, mask in found.regions.items()}
    write_page(
        site,
        prediction_place(*place),
        "prediction.html",
        run=str(plan.run),
        p=found,
        file=file_name(found.file),
        size=size,
        picture=_address(prediction_picture(*place)),
        image=url(*image_place(found.image)) if found.image in shown else None,
        report=report,
        regions=[
            {
                "name": name,
                "path": path,
                "share": found.regions[name].mean(),
                "point": _is_point(found.regions[name]),
                "kind": kind(CATEGORIES[n % len(CATEGORIES)]),
            }
            for n, (name, path) in enumerate(regions.items())
        ],
        outlines="".join(regions.values()),
        cards=[_card(found, name) for name in found.methods],
        controls=[_shown(found, found.of(name, NONE), TITLES[name]) for name in BASELINES],
        stale=_stale(plan, found),
        parses=parses_of(plan.run, found.model, found.view),
    )
    return 1


def _draw(site: Path, found: Prediction) -> None:
    write_picture(site.joinpath(*prediction_picture(*found.place)), found.pixels)
    for one in found.found:
        path = site.joinpath(*prediction_picture(*found.place, one.method, one.network))
        write_picture(path, overlay(found.pixels, one.values))


def _card(found: Prediction, name: str) -> dict[str, Any]:
    """Return a method as its card shows it: its two maps, and a row for each region with all that it stands beside."""
    own, control = (found.of(name, network) for network in (TRAINED, RANDOM))
    beside = found.beside(name)
    return {
        "id": name,
        "title": TITLES.get(name, name),
        "map": own,
        "low_fit": own.fit is not None and own.fit < LOW_FIT,
        "random_fit": control.fit,
        "pictures": [_shown(found, own, "this map"), _shown(found, control, "on random weights")],
        "heads": [says for says, _ in beside],
        "rows": [
            {
                "region": region,
                "share": mask.mean(),
                "point": _is_point(mask),
                "cells": [one.row(region) for _, one in beside],
            }
            for region, mask in sorted(found.regions.items(), key=lambda item: -item[1].mean())
        ],
    }


def _is_point(mask: NDArray[np.bool_]) -> bool:
    return int(mask.sum()) <= POINT


def _shown(found: Prediction, one: Explained, says: str) -> dict[str, Any]:
    place = prediction_picture(*found.place, one.method, one.network)
    return {"href": _address(place), "says": says, "nothing": one.nothing, "signed": one.signed}


def _address(place: Place) -> str:
    return url(*place)


def _stale(plan: Plan, found: Prediction) -> bool:
    """Tell whether a prediction is of other weights or images than those of the run."""
    weights = {model.name: model.weights_sha256 for model in plan.models}
    return (weights.get(found.model), plan.data_identity) != (found.weights, found.data)


def listed(plan: Plan, images: set[int] | None = None) -> list[dict[str, Any]]:
    """Return what lists say of the predictions that a run has explained, or of those of some images."""
    rows = []
    for place in explained(plan.run):
        found = Prediction.read(plan.run, place)
        if images is None or found.image in images:
            rows.append(_row(found))
    return rows


def digest_of(run: Path) -> str:
    """Return a digest that changes with the predictions that a run has explained."""
    stated = "".join(f"{place} {signature_of(run, place)}\n" for place in explained(run))
    return hashlib.sha256(stated.encode()).hexdigest()[:16] if stated else ""


def _row(found: Prediction) -> dict[str, Any]:
    return {
        "page": url(*prediction_place(*found.place)),
        "picture": url(*prediction_picture(*found.place)),
        "size": found.pixels.shape[1::-1],
        "methods": [TITLES.get(name, name) for name in found.methods],
        **{name: getattr(found, name) for name in ("image", "view", "model", "name", "target", "rank", "score")},
    }


def write_list(plan: Plan, site: Path, *, report: bool) -> int:
    """Write the list of predictions."""
    rows = listed(plan)
    write_page(
        site, ("predictions.html",), "predictions.html", run=str(plan.run), rows=rows, report=report,
        models=len(plan.models),
    )  # fmt: skip
    return 1


__all__ = ["LOW_FIT", "OWN", "TITLES", "digest_of", "listed", "write_list", "write_prediction"]
