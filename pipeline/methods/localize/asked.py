"""Which models, layers and categories a part is looked for in, and what is refused before anything is computed.

Messages name the option that was wrong: ``--part`` of the verb `localize`, ``--localize.part`` of an audit; `dashes` is what
stands before its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.graph.crops import graph_categories, graph_layers
from filterscope.pipeline.methods.graph.part_views import PartViews, landmarks_of
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.needs import Need
from filterscope.pipeline.run.plan import Plan, PlannedModel

_AUDIT = "--localize."


@dataclass(frozen=True)
class Part(Need):
    """A part that crops of some category show often enough, in models and layers that are in the run."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse where no part is named."""
        if LocalizeOptions.of(settings).part is None:
            known = sorted(set(dataset.table("landmarks")["landmark"].to_pylist()))
            raise InputError(
                f"--methods {method} finds one part: name it with {_AUDIT}part; parts are {', '.join(known)}"
            )

    def check_plan(self, method: str, plan: Plan) -> None:
        """Refuse what is not in the run, and parts that too few crops show."""
        asked = plan.of(LocalizeOptions)
        for model in models_asked(plan, _AUDIT):
            layers_asked(model, asked, _AUDIT)
            for category in categories_asked(plan, model, _AUDIT):
                views = PartViews.of(plan, model, category, str(asked.part))
                refuse_few(views, asked.shots, _AUDIT, heldout="--graph-heldout")


def models_asked(plan: Plan, dashes: str = "--") -> list[PlannedModel]:
    """Return the model asked for, or all.

    Raises
    ------
    InputError
        If it is not in the run.
    """
    name, names = plan.of(LocalizeOptions).model, [model.name for model in plan.models]
    if name is not None and name not in names:
        raise InputError(f"{dashes}model {name}: {plan.run} has {', '.join(names)}.{did_you_mean(name, names)}")
    return [model for model in plan.models if name in (None, model.name)]


def layers_asked(model: PlannedModel, asked: LocalizeOptions, dashes: str = "--") -> list[Layer]:
    """Return the layers asked for, or all of a model, from the top.

    Raises
    ------
    InputError
        If one is not in the run.
    """
    layers, names = graph_layers(model), asked.layers
    known = [layer.name for layer in layers]
    for name in names or ():
        if name not in known:
            raise InputError(
                f"{dashes}layers {name}: {model.name} has graphs of {', '.join(known)}.{did_you_mean(name, known)}"
            )
    return [layer for layer in layers if names is None or layer.name in names]


def categories_asked(plan: Plan, model: PlannedModel, dashes: str = "--") -> list[str]:
    """Return the category asked for, or all whose crops have the part.

    Raises
    ------
    InputError
        If the category is not in the run, or no crop has the part.
    """
    asked, known = plan.of(LocalizeOptions), graph_categories(plan)
    category, part = asked.category, str(asked.part)
    if category is not None and category not in known:
        raise InputError(
            f"{dashes}category {category}: {plan.run} has graphs of {', '.join(known)}.{did_you_mean(category, known)}"
        )
    looked_at = known if category is None else [category]
    parts = {name: landmarks_of(plan, model, name) for name in looked_at}
    having = [name for name in looked_at if part in parts[name]]
    if not having:
        there = sorted({name for names in parts.values() for name in names})
        hint = did_you_mean(part, there)
        listed = f" Parts are: {', '.join(there)}." if there else " Their crops have no landmarks."
        raise InputError(f"{dashes}part {part}: no crop of {' or '.join(looked_at)} has it.{hint}{listed}")
    return having


def refuse_few(views: PartViews, shots: int, dashes: str = "--", heldout: str = "--heldout") -> None:
    """Stop where too few images show a part to annotate them, or none to find it on.

    Raises
    ------
    InputError
        With how many there are.
    """
    part, category = views.part, views.views.category
    images = len(np.unique(views.image[views.annotatable]))
    if images < shots:
        raise InputError(
            f"{dashes}shots {shots}: only {images} images that the graph of {category} was learned from show its {part} "
            "once; ask for fewer shots, or learn a graph from more images"
        )
    if not len(views.heldout):
        raise InputError(
            f"no held-out image shows the {part} of a {category} once, so that nothing is left to find it on; "
            f"learn the graph with a larger {heldout}"
        )


__all__ = ["Part", "categories_asked", "layers_asked", "models_asked", "refuse_few"]
