"""Small audits with every registered method: those that learn from object crops on crops, the others on whole images.

A new method is in them by its name alone; options that it must be given stand in `ASKED`.
"""

import re
from pathlib import Path
from typing import Any

from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.graph.needs import Crops
from tests import planted
from tests.planted.hostile import write_hostile, write_hostile_dots

_SMALL: dict[str, Any] = {"quantile": 0.05, "min_images": 3, "unit_block": 2}
#: Options of methods that are not done in a moment by default, or that must be told something.
ASKED: dict[str, dict[str, Any]] = {
    "attribution": {"attribution.methods": "grad_cam,guided,pattern_net"},
    "receptive-field": {"occluder": 16, "occluder_step": 16, "field_images": 2},
    "graph": {"graph_iterations": 4},
    "bias": {"bias.control_views": 4, "bias.pictures": 2, "bias.edit_views": 2},
    "blind-spots": {"blind-spots.confidence": 0.2},
    "semantics": {"semantics.label": "kind", "semantics.draws": 3},
    "influence": {
        "influence.checks": 4,
        "influence.attacked": 2,
        "influence.perturbed": 2,
        "influence.steps": 3,
        "outputs.truth": "kind",
    },
    "rules": {
        "rules.file": (
            'red,1,"concept:kind=3 => label:0 | label:1"',
            "apart,2,label:1 => ~label:2",
            "~label:0,1,~label:0",
        ),
        "rules.strata": "kind",
        "rules.permutations": 19,
        "rules.worst": 3,
    },
    "vulnerable": {
        "vulnerable.attacks": "fgsm,lbfgs,one_pixel",
        "vulnerable.eps": 8.0,
        "vulnerable.pixels": 3,
        "vulnerable.views": 8,
        "vulnerable.confidence": 0.25,
        "vulnerable.population": 8,
        "vulnerable.generations": 2,
        "vulnerable.tries": 1,
    },
    "effective-field": {"effective_images": 2, "effective_controls": 2, "strip_images": 2},
    "saliency": {"saliency.views": 3, "saliency.classes": 2, "saliency.steps": 3},
    "inversion": {"inversion.views": 2, "inversion.controls": 1, "inversion.steps": 3},
    "synthesis": {"synthesis.steps": 3, "synthesis.chains": 2, "synthesis.weights": 0.1, "synthesis.views": 4},
    "up-convolution": {"up-convolution.views": 6, "up-convolution.fitted": 6, "up-convolution.pictures": 2},
    "visualization": {"visualization.steps": 4, "visualization.pictures": 2},
    "localize": {"localize.part": "<em>dot</em>", "localize.shots": 2, "localize.draws": 2},
    "parses": {"parses.steps": 6, "parses.features": 4},
    "and-or": {"and-or.questions": 2, "and-or.pool": 6, "and-or.seeds": 2},
}
#: What the refusal of a need says is missing; a need that is not here is named by the words of its class.
_MISSING = {
    "Attackable": ("class scores",),
    "Boxed": ("categories of boxes",),
    "Category": ("category",),
    "Classes": ("two classes",),
    "Comparable": ("class scores",),
    "Concepts": ("concept",),
    "Critical": ("class scores",),
    "Crops": ("object", "crop"),
    "Differentiable": ("class scores", "no influence"),
    "Explicable": ("class scores", "maps of 1 x 1"),
    "Fields": ("receptive field",),
    "Grounded": ("concept",),
    "Groups": ("attribute",),
    "LearnedPrior": ("inverters",),
    "Landmarks": ("landmark",),
    "Part": ("part",),
    "Perturbable": ("no influence",),
    "Positions": ("position",),
    "Regions": ("landmark", "concept"),
    "Scores": ("class scores",),
    "TrueClasses": ("true classes",),
}


def words_of_needs(method: str) -> set[str]:
    """Return words of which a refusal holds at least one, in lower case: each names what some need of a method is about."""
    names = [type(need).__name__ for need in registry.method(method).needs()]
    return {word for name in names for word in _MISSING.get(name, re.findall("[a-z]{3,}", name.lower()))}


def of_crops(method: str) -> bool:
    """Tell whether a method learns from object crops."""
    return any(isinstance(need, Crops) for need in registry.method(method).needs())


def settings(methods: list[str], data: Path, **more: Any) -> dict[str, Any]:
    """Return what an audit by some methods, all on crops or all on whole images, is asked."""
    if any(of_crops(method) for method in methods):
        model, layers = planted.entry("two_layers", "planted"), "1,3"
        views: dict[str, Any] = {"views": "objects", "flips": True, "data": data / "crops"}
    else:
        model, layers, views = (
            planted.entry("classifier", "planted"),
            "0,1",
            {"data": data / "images", "image_block": 8},
        )
    options: dict[str, Any] = {}
    for name in registry.names():
        options |= ASKED.get(name, {})
    options["synthesis.prior"] = str(data / "inverters")
    options["up-convolution.inverters"] = str(data / "inverters")
    return {**_SMALL, **views, "models": [model], "layers": layers, **options, "methods": methods, **more}


def groups() -> dict[str, list[str]]:
    """Return the methods on whole images, and those on crops, with dissection, whose pages graphs share."""
    names = registry.names()
    images = [name for name in names if not of_crops(name)]
    return {"images": images, "crops": ["dissection", *(name for name in names if of_crops(name))]}


def write_data(folder: Path) -> Path:
    """Write the images and the crops."""
    folder.mkdir()
    (folder / "of images").mkdir()
    (folder / "of crops").mkdir()
    write_hostile(folder / "images", 24, attributes=True)
    write_hostile_dots(folder / "crops")
    _write_inverters(folder)
    return folder


def _write_inverters(folder: Path) -> None:
    """Train inverters of the layers that audits of whole images have, for an epoch."""
    from filterscope.jobs.config.train import asked_of
    from filterscope.jobs.runs.train import train

    source = f"factory:tests.planted:classifier;input_size={planted.SIZE};mean=0,0,0;std=1,1,1;interpolation=nearest"
    quick = {"epochs": 1, "width": 1 / 64, "batch": 16}
    asked = asked_of("inverter", folder / "images", quick, seeds=1, models=[source], layers="0,1")
    train(asked, folder / "inverters", actors=0)
