"""Which inverters a plan has, which views they are measured on, and what must hold of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.up_convolution.options import UpConvolutionOptions
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    import numpy as np

    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.run.plan import Plan, PlannedModel
    from filterscope.pipeline.training.inverting import Found

_AGAIN = "train them by `filterscope train inverter`"


def pair_of(
    plan: "Plan", model: "PlannedModel", layer: "Layer", found: "Sequence[Found]", where: str
) -> "tuple[Found, Found]":
    """Return the inverters of a layer and of the same layer untrained.

    Raises
    ------
    InputError
        If there is none, or it was trained on other views than the plan's.
    """
    from filterscope.pipeline.training.inverting import TRAINED, UNTRAINED, inverter_of
    from filterscope.pipeline.views.views import ViewSettings

    both = [inverter_of(found, model.weights_sha256, layer.name, kind) for kind in (TRAINED, UNTRAINED)]
    if both[0] is None or both[1] is None:
        lacks = " with random weights" if both[0] is not None else ""
        raise InputError(
            f"there are no inverters of layer {layer.name!r} of {model.name}{lacks} in {where}; "
            f"{_AGAIN} --model {model.spec.source} --layers {layer.name}"
        )
    for one in both:
        assert one is not None
        about = one.about
        if about.get("data") != plan.data_identity:
            raise InputError(
                f"the inverters in {where} were trained on another data set than {plan.data}, "
                f"whose held-out images they are measured on; {_AGAIN} --data {plan.data}"
            )
        own = ViewSettings(str(about["views"]))
        if own != plan.options.view_settings or plan.options.geometry != "squash":
            raise InputError(
                f"the inverters in {where} were trained on views {own.views}, squashed to the "
                f"input; audit with --views {own.views} --geometry squash and without flips and negatives"
            )
        if one.description.transform != model.transform:
            raise InputError(
                f"the inverters of {model.name} were trained with another input size or normalisation; {_AGAIN} with those of "
                "the audit, as in --model 'SOURCE;input_size=28;mean=0.13;std=0.31'"
            )
    return both[0], both[1]


def views_of(plan: "Plan", found: "Found") -> "tuple[np.ndarray, np.ndarray]":
    """Return the training views of controls and the held-out views, as many as are asked for, drawn by the data set."""
    import numpy as np

    from filterscope.operators.numerics.seeds import seed_of
    from filterscope.pipeline.training.inverting import split_of

    asked = plan.of(UpConvolutionOptions)
    split = split_of(plan.data, plan.data_identity, plan.options.view_settings, float(found.about["held_out"]))
    random = np.random.default_rng(seed_of("views of up-convolution", plan.data_identity))
    train, heldout = (random.permutation(rows) for rows in (split.train, split.heldout))
    return train[: asked.fitted], heldout[: asked.views]


def digests_of(plan: "Plan", model: "PlannedModel") -> Any:
    """Return what tells the inverters of a model from others: the digests of their files; the option where there are none."""
    asked = plan.of(UpConvolutionOptions)
    return None if asked.inverters is None else digests_in(Path(asked.inverters), model)


def digests_in(folder: Path, model: "PlannedModel") -> Any:
    """Return the digests of the inverters of a model in a folder; its path where there are none."""
    from filterscope.pipeline.training.inverting import inverters_in

    own = [one for one in inverters_in(folder) if one.about.get("weights") == model.weights_sha256]
    layers = {layer.name for layer in model.layers}
    return [sha256(one.file.read_bytes()).hexdigest() for one in own if one.about.get("layer") in layers] or str(folder)


@dataclass(frozen=True)
class Inverters(Need):
    """Inverters of every layer, and of the same layers untrained."""

    def check_plan(self, method: str, plan: "Plan") -> None:
        """Refuse a plan without them."""
        from filterscope.pipeline.training.inverting import inverters_in

        asked = plan.of(UpConvolutionOptions)
        if asked.inverters is None:
            raise InputError(
                f"--methods {method} needs inverters: {_AGAIN} and name the folder by --up-convolution.inverters RUN"
            )
        if not Path(asked.inverters).is_dir():
            raise InputError(
                f"--up-convolution.inverters {asked.inverters}: there is no such folder of inverters; {_AGAIN}"
            )
        found = inverters_in(Path(asked.inverters))
        for model in plan.models:
            for layer in model.layers:
                pair_of(plan, model, layer, found, asked.inverters)


__all__ = ["Inverters", "digests_in", "digests_of", "pair_of", "views_of"]
