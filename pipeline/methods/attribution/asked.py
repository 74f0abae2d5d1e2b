"""What a person asks about one prediction: which view of an image, which model, layer and class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from filterscope import schemas
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.outputs.targets import PREDICTED, TRUE, asked_classes, best_among, ranges_of
from filterscope.pipeline.methods.outputs.truth import UNKNOWN
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.run.selection import canonical

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.network import Network


def model_asked(plan: Plan, name: str | None) -> PlannedModel:
    """Return the model of a name, or the only one.

    Raises
    ------
    InputError
        If there is none of this name, or there are several and none is named.
    """
    names = [model.name for model in plan.models]
    if name is None and len(names) > 1:
        raise InputError(f"{plan.run} has several models, {', '.join(names)}; choose one with --model")
    if name is not None and name not in names:
        raise InputError(
            f"no model {name!r} in {plan.run}; its models are {', '.join(names)}.{did_you_mean(name, names)}"
        )
    return plan.model(name or names[0])


def view_asked(plan: Plan, image: int, view: int | None) -> int:
    """Return the view of an image that is asked about, by default its first.

    Raises
    ------
    InputError
        If the data set has no such image, or the run no such view of it.
    """
    count = Dataset(plan.data).rows("images")
    if not 0 <= image < count:
        raise InputError(
            f"--image {image}: no such image in the data set {plan.data}; images are 0 to {count - 1}. Files that could not "
            "be imported have no number; the table rejects lists them"
        )
    views = np.flatnonzero(plan.views.image == image).tolist()
    if not views:
        raise InputError(f"--image {image}: no view of this run shows it{_why(plan)}")
    if view is not None and view not in views:
        raise InputError(f"--view {view} is no view of image {image}; its views are {', '.join(map(str, views))}")
    return views[0] if view is None else view


def _why(plan: Plan) -> str:
    if not plan.options.view_settings.of_objects:
        return ""
    return f"; its views are objects, --views {plan.options.views}, and the image has none that is large enough"


def rejected(plan: Plan, image: int) -> str:
    """Return why a run could not read an image; empty if it could, whatever else it rejected of it, such as its class."""
    uri = Dataset(plan.data).images["uri"][image].as_py()
    rows = schemas.scan_rejects(plan.run).filter(stage="extract").collect()
    return next((row["reason"] for row in rows.iter_rows(named=True) if row["item"] in (uri, str(image))), "")


def layer_asked(model: PlannedModel, network: "Network", name: str | None) -> "Layer":
    """Return the layer of a name, audited or not, or the deepest audited one whose maps are larger than 1 x 1.

    Raises
    ------
    InputError
        If there is none, or its maps have no place to point at.
    """
    audited = {layer.name: layer for layer in model.layers}
    if name is None:
        placed = [layer for layer in model.layers if layer.height * layer.width > 1]
        if not placed:
            raise InputError(
                f"all audited layers of {model.name} have maps of 1 x 1, as layers after global pooling do, which have no "
                "place to point at; name an earlier layer with --layer"
            )
        return placed[-1]
    layer = audited.get(name) or _unaudited(model, network, name)
    if layer.height * layer.width == 1:
        raise InputError(
            f"--layer {name}: its maps in {model.name} are 1 x 1, as those of layers after global pooling are, which have no "
            "place to point at; name an earlier layer"
        )
    return layer


def _unaudited(model: PlannedModel, network: "Network", name: str) -> "Layer":
    from filterscope.pipeline.models.taps import is_map, list_all_layers, resolve_layers

    every = list_all_layers(network.taps.module, model.transform.input_size, model.name, model.transform.channels)
    maps, others = [layer for layer in every if is_map(layer)], [layer for layer in every if not is_map(layer)]
    found = resolve_layers([name], maps, what=model.name, flat=lambda: others)
    if len(found) > 1:
        raise InputError(f"--layer {name} means {len(found)} layers of {model.name}; name one")
    return found[0]


def class_asked(
    plan: Plan, network: "Network", scores: np.ndarray, target: str, view: int, names: Sequence[str]
) -> int:
    """Return the class that is asked about.

    Parameters
    ----------
    plan : Plan
        The run.
    network : Network
        The network.
    scores : float32 ndarray of shape (classes,)
        Scores of the view.
    target : str
        predicted; true; a number, or several as `Target` has them; or the name of a class, whatever its case.
    view : int
        The view.
    names : sequence of str
        Names of the classes.

    Raises
    ------
    InputError
        If the network scores no such class, several have the name, or the true one is not known.
    """
    if target == TRUE:
        found = asked_classes(plan, network, scores[None], TRUE, view)
        if found.classes[0] == UNKNOWN:
            why = "; ".join(reason for _, reason in found.bad) or "the data set states none"
            raise InputError(f"--target true: the true class of view {view} is not known: {why}")
        return int(found.classes[0])
    if target == PREDICTED:
        return int(best_among(scores[None], target)[0])
    numbers = "" if target in names else _numbers(target)
    return _numbered(numbers, scores) if numbers else _named(target, names)


def _numbers(target: str) -> str:
    """Return the classes that a text lists by their numbers; empty where it does not."""
    try:
        return canonical(target)
    except ValueError:
        return ""


def _numbered(target: str, scores: np.ndarray) -> int:
    if any(last >= len(scores) for _, last in ranges_of(target)):
        raise InputError(f"--target {target}: the network scores {len(scores)} classes, 0 to {len(scores) - 1}")
    return int(best_among(scores[None], target)[0])


def _named(target: str, names: Sequence[str]) -> int:
    found = [index for index, name in enumerate(names) if name.casefold() == target.casefold()]
    if len(found) > 1:
        raise InputError(f"--target {target}: classes {' and '.join(map(str, found))} have this name; give a number")
    if not found:
        hint = did_you_mean(target, names) or f" Give a name, or a number from 0 to {len(names) - 1}."
        raise InputError(f"--target {target}: the network scores no such class.{hint}")
    return found[0]


__all__ = ["class_asked", "layer_asked", "model_asked", "rejected", "view_asked"]
