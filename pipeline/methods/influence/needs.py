"""What influence needs: labels of two classes, of enough images to train on and to test with, and a Hessian that fits.

Groups need their attributes, and training attacks layers that can be differentiated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from filterscope.operators.influence.hessian import Solver
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.influence.labels import TEST, TRAIN, Labels
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.outputs.options import OutputsOptions
from filterscope.pipeline.run.needs import Need
from filterscope.pipeline.run.plan import Plan

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model

#: Parameters up to which the Hessian is inverted exactly: 200 MB, and seconds.
EXACT = 5_000
#: Parameters up to which that may be asked for: 1.8 GB, and minutes.
MOST = 15_000


@dataclass(frozen=True)
class Classes(Need):
    """Labels that a head can be trained on."""

    def check_plan(self, method: str, plan: Plan) -> None:
        """Refuse labels of one class, of one image each, and an exact solver for a head that is too large."""
        found, truth = Labels.of(plan), plan.of(OutputsOptions).truth
        known = len(np.unique(found.label[found.role == TRAIN]))
        what = f"--methods {method} trains a head on the attribute {truth!r} of the data set {plan.data}"
        other = "name another with --outputs.truth"
        if known < 2:
            raise InputError(f"{what}, which needs two classes with training views and has {known}; {other}")
        if not (found.role == TEST).any():
            raise InputError(f"{what}, in which no two images or groups of images are of one class; {other}")
        for model in plan.models:
            for layer in model.layers:
                count = parameters_of(known, layer.channels)
                if plan.of(InfluenceOptions).solver == "exact" and count > MOST:
                    raise InputError(
                        f"--influence.solver exact: a head of {known} classes on layer {layer.name!r} of {model.name} has "
                        f"{count:,} parameters, and its Hessian is inverted exactly up to {MOST:,}; use cg"
                    )


@dataclass(frozen=True)
class Groups(Need):
    """Attributes that are named for groups."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse an attribute that no image has."""
        named = InfluenceOptions.of(settings).group_attributes
        known = sorted(pc.unique(dataset.table("attributes")["attribute"]).to_pylist()) if named else []
        for name in named:
            if name not in known:
                hint = did_you_mean(name, known) or f" Attributes are: {', '.join(known[:50]) or 'none'}."
                raise InputError(f"--influence.groups: the data set {dataset.folder} has no attribute {name!r}.{hint}")


@dataclass(frozen=True)
class Perturbable(Need):
    """Layers whose maps can be differentiated with respect to the image, where training attacks are asked for."""

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Differentiate the maps of a blank image; refuse a layer that does not depend on it."""
        if not InfluenceOptions.of(settings).attacked:
            return
        import torch

        from filterscope.pipeline.methods.outputs.needs import refused
        from filterscope.pipeline.models.gradients import INPUT, gradients_of
        from filterscope.pipeline.models.taps import Taps

        blank = torch.zeros(1, model.transform.channels, *model.transform.input_size)
        for layer in layers:
            taps = Taps(model.module, [layer.name], layouts={layer.name: layer.layout})
            with refused(f"{method} with --influence.attacked", model.name):
                gradients_of(
                    taps, blank, lambda _, maps, name=layer.name: maps[name].flatten(1).sum(1), [INPUT], 1,
                    scores=False, targets=None,
                )  # fmt: skip


def parameters_of(classes: int, units: int) -> int:
    """Return the parameters of a head in contrasts between classes."""
    return (classes - 1) * (units + 1)


def solver_of(asked: InfluenceOptions, parameters: int) -> Solver:
    """Return how the Hessian is inverted."""
    return asked.solver or ("exact" if parameters <= EXACT else "cg")


__all__ = ["EXACT", "MOST", "Classes", "Groups", "Perturbable", "parameters_of", "solver_of"]
