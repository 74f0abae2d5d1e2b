"""What influence needs: labels of two classes, of enough images to train on and to test with, and a Hessian that fits."""

from dataclasses import dataclass

import numpy as np

from filterscope.operators.influence.hessian import Solver
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.influence.labels import TEST, TRAIN, Labels
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.outputs.options import OutputsOptions
from filterscope.pipeline.run.needs import Need
from filterscope.pipeline.run.plan import Plan

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


def parameters_of(classes: int, units: int) -> int:
    """Return the parameters of a head in contrasts between classes."""
    return (classes - 1) * (units + 1)


def solver_of(asked: InfluenceOptions, parameters: int) -> Solver:
    """Return how the Hessian is inverted."""
    return asked.solver or ("exact" if parameters <= EXACT else "cg")


__all__ = ["EXACT", "MOST", "Classes", "parameters_of", "solver_of"]
