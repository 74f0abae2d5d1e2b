"""Every way to explain a score, by its name: a line each; what one imports is loaded when it is asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any

from filterscope.pipeline.engine.errors import did_you_mean

#: Module of this package and name of the class, a frozen dataclass whose fields all have defaults, `layer` aside.
EXPLAINERS: dict[str, str] = {
    "grad_cam": "grad_cam:GradCam",
    "gradient": "gradients:Gradient",
    "integrated_gradients": "gradients:IntegratedGradients",
    "occlusion": "occlusion:Occlusion",
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


def needs_layer(name: str) -> bool:
    """Tell whether an explainer is of the maps of a layer."""
    return "layer" in {field.name for field in fields(class_of(name))}


def made(name: str, layer: str | None) -> Any:
    """Return an explainer with its defaults; `layer` is the layer whose maps those that need one explain."""
    return class_of(name)(layer=layer) if needs_layer(name) else class_of(name)()


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
        raise ValueError(f"methods of attribution, where {name!r} is none.{hint}")
    if not asked:
        raise ValueError(f"methods of attribution, separated by commas: {', '.join(EXPLAINERS)}")
    return tuple(name for name in EXPLAINERS if name in asked)


__all__ = ["BASELINES", "EXPLAINERS", "class_of", "known", "made", "needs_layer"]
