"""Every way to explain a score, by its name: a line each; what one imports is loaded when it is asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any

from filterscope.pipeline.engine.errors import did_you_mean

#: Module of this package and name of the class, a frozen dataclass whose fields have defaults, but `layer` and `patterns`.
EXPLAINERS: dict[str, str] = {
    "grad_cam": "grad_cam:GradCam",
    "guided_grad_cam": "guided:GuidedGradCam",
    "guided": "guided:Guided",
    "deconvnet": "guided:Deconvnet",
    "saliency": "guided:Saliency",
    "gradient": "gradients:Gradient",
    "integrated_gradients": "gradients:IntegratedGradients",
    "occlusion": "occlusion:Occlusion",
    "pattern_net": "pattern:PatternNet",
    "pattern_attribution": "pattern:PatternAttribution",
    "meaningful": "meaningful:Meaningful",
    "lime": "lime:Lime",
    "pda": "pda:PredictionDifference",
}
#: What needs no network, and stands beside the others in every run.
BASELINES: dict[str, str] = {
    "centre": "baselines:Centre",
    "edges": "baselines:Edges",
    "random": "baselines:Random",
}


def class_of(name: str) -> Any:
    """Return the class of an explainer or a baseline."""
    module, _, found = {**EXPLAINERS, **BASELINES}[name].partition(":")
    return getattr(import_module(f"{__package__}.{module}"), found)


def takes(name: str, field: str) -> bool:
    """Tell whether an explainer has a field, such as `layer`."""
    return field in {known.name for known in fields(class_of(name))}


def needs_layer(name: str) -> bool:
    """Tell whether an explainer is of the maps of a layer."""
    return takes(name, "layer")


def made(name: str, layer: str | None = None, patterns: Any = None) -> Any:
    """Return an explainer with its defaults; without what it is of it can state its cost, and check networks, alone.

    Parameters
    ----------
    name : str
        Of `EXPLAINERS` or `BASELINES`.
    layer : str, optional
        Layer whose maps those explain by that have one.
    patterns : Patterns, optional
        Patterns of the network, of those that go back along them.
    """
    given = {"layer": layer, "patterns": patterns}
    return class_of(name)(**{field: value for field, value in given.items() if takes(name, field)})


def known(names: Iterable[str]) -> Sequence[str]:
    """Return names of explainers, each once, in the order in which they are listed here.

    Raises
    ------
    ValueError
        If there is none of a name, or no name.
    """
    asked = set(names)
    for name in sorted(asked - EXPLAINERS.keys()):
        hint = did_you_mean(name, EXPLAINERS) or f" Methods are: {', '.join(EXPLAINERS)}."
        raise ValueError(f"ways to explain a score, and {name!r} is not one.{hint}")
    if not asked:
        raise ValueError(f"ways to explain a score, separated by commas: {', '.join(EXPLAINERS)}")
    return tuple(name for name in EXPLAINERS if name in asked)


__all__ = ["BASELINES", "EXPLAINERS", "class_of", "known", "made", "needs_layer", "takes"]
