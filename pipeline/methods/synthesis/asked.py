"""Which prior and which images a piece of work has, and what must hold of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.synthesis.options import SynthesisOptions
from filterscope.pipeline.methods.up_convolution.asked import digests_in, pair_of
from filterscope.pipeline.models.spec import SCHEMES
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    import numpy as np

    from filterscope.pipeline.methods.synthesis.priors import Prior
    from filterscope.pipeline.methods.visualization.asked import PictureTask
    from filterscope.pipeline.models.network import Network
    from filterscope.pipeline.run.plan import Plan, PlannedModel


def is_network(text: str) -> bool:
    """Tell whether an option names a network, and not a folder."""
    return text.partition(":")[0] in SCHEMES


@dataclass(frozen=True)
class Held:
    """Images that pictures are compared with, float32 (n, height, width, 3) from 0 to 1.

    Attributes
    ----------
    known : ndarray
        Those that a prior may have learned from.
    real : ndarray
        Others.
    top : callable
        Returns some views of the run.
    other : callable, optional
        Another network's layer, float32 (n, C, h, w), on images from 0 to 255.
    """

    known: "np.ndarray"
    real: "np.ndarray"
    top: "Callable[[np.ndarray], np.ndarray]"
    other: "Callable[[np.ndarray], np.ndarray] | None" = None


def prior_of(task: "PictureTask", network: "Network") -> "Prior":
    """Open the prior of a layer."""
    from filterscope.pipeline.methods.synthesis.priors import CoderPrior, InverterPrior
    from filterscope.pipeline.training.inverting import inverters_in, opened

    text, device = task.plan.of(SynthesisOptions).prior or "", task.plan.options.device
    if is_network(text):
        return CoderPrior.of(text, task.model.transform.input_size, device)
    found, _ = pair_of(task.plan, task.model, task.layer, inverters_in(Path(text)), text)
    # a rectified layer stays rectified
    low = 0.0 if _rectified(task) else None
    return InverterPrior.of(opened(found, device), network, low)


def _rectified(task: "PictureTask") -> bool:
    """Tell whether no unit of the layer is ever below 0 at its maximum, as of rectified layers."""
    from filterscope.pipeline.stores.activations import ActivationStore

    store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
    maxima = store.read_maxima(0, min(task.plan.view_count, 1024), slice(None))
    return bool((maxima[maxima == maxima] >= 0).all())


def held_of(task: "PictureTask") -> Held:
    """Decode what pictures of a layer are compared with; without inverters, halves of views drawn by the data set."""
    import numpy as np

    from filterscope.operators.numerics.seeds import seed_of
    from filterscope.pipeline.engine.errors import RunError
    from filterscope.pipeline.methods.tasks import chosen_views
    from filterscope.pipeline.training.inverting import inverters_in, split_of, targets

    plan, asked = task.plan, task.plan.of(SynthesisOptions)
    colours = 1 if task.model.transform.channels == 1 else 3

    def decoded(rows: "np.ndarray") -> "np.ndarray":
        found = chosen_views(plan, task.model, rows.tolist())
        good = np.array([not reason for reason in found.reasons], bool)
        shown = targets(found.pixels[good], colours).expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
        return np.ascontiguousarray(shown.numpy())

    random = np.random.default_rng(seed_of("views of synthesis", plan.data_identity))
    if is_network(asked.prior or ""):
        order = random.permutation(plan.view_count)
        half = max(plan.view_count // 2, 1)
        sides = order[:half], order[half:]
    else:
        found, _ = pair_of(plan, task.model, task.layer, inverters_in(Path(asked.prior or "")), asked.prior or "")
        split = split_of(plan.data, plan.data_identity, plan.options.view_settings, float(found.about["held_out"]))
        sides = random.permutation(split.train), random.permutation(split.heldout)
    known, real = (decoded(side[: asked.views]) for side in sides)
    if min(len(known), len(real)) < 2:
        raise RunError("fewer than two of the images that pictures are compared with could be decoded")
    return Held(known, real, decoded, _other(asked, plan.options.device))


def _other(asked: SynthesisOptions, device: str) -> Any:
    """Open the network that pictures are shown to as well."""
    if asked.transfer is None:
        return None
    from filterscope.pipeline.methods.synthesis.other import Other

    return Other(asked.transfer, asked.transfer_layer, device)


def digest_of(plan: "Plan", model: "PlannedModel") -> dict[str, Any]:
    """Return what tells the prior, and the other network, from others."""
    from filterscope.pipeline.models.stated import stated_spec
    from filterscope.pipeline.models.weights import file_sha256

    asked = plan.of(SynthesisOptions)

    def network(text: str) -> str:
        file = stated_spec(text).weights_path
        return text if file is None or not file.is_file() else f"{text.partition('@')[0]} {file_sha256(file)}"

    prior = asked.prior
    found = prior if prior is None else network(prior) if is_network(prior) else digests_in(Path(prior), model)
    other = asked.transfer
    return {"prior": found, "transfer": network(other) if other is not None and is_network(other) else other}


@dataclass(frozen=True)
class LearnedPrior(Need):
    """A generator, or inverters of every layer."""

    def check_plan(self, method: str, plan: "Plan") -> None:
        """Refuse a plan without one, or with one that does not fit."""
        from filterscope.pipeline.training.inverting import inverters_in

        asked = plan.of(SynthesisOptions)
        if asked.prior is None:
            raise InputError(
                f"--methods {method} needs a learned prior: train inverters by `filterscope train inverter`, or take a network "
                "with decode, and name the folder or the network by --synthesis.prior"
            )
        try:
            if asked.transfer is not None:
                _other(asked, "cpu")
            if is_network(asked.prior):
                from filterscope.pipeline.methods.synthesis.priors import CoderPrior

                for model in plan.models:
                    CoderPrior.of(asked.prior, model.transform.input_size, "cpu")
                return
        except ValueError as error:
            raise InputError(f"--methods {method}: {error}") from error
        if not Path(asked.prior).is_dir():
            raise InputError(f"--synthesis.prior {asked.prior}: neither a network nor a folder of inverters")
        found = inverters_in(Path(asked.prior))
        for model in plan.models:
            for layer in model.layers:
                pair_of(plan, model, layer, found, asked.prior)


__all__ = ["Held", "LearnedPrior", "digest_of", "held_of", "is_network", "prior_of"]
