"""Stage `signal`: the patterns of the neurons of each network, and of its randomised twins, for the methods that need them.

A fit is one pass over the views to learn from, image after image, so that it is one piece of work for each network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.attribution.drawn import LEARNED, drawn_views, learned_from
from filterscope.pipeline.methods.attribution.explainers import takes
from filterscope.pipeline.methods.attribution.options import AttributionOptions, Which
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.outputs.needs import refused
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace
from filterscope.pipeline.stores.promises import Promise

if TYPE_CHECKING:
    from filterscope.pipeline.models.network import Network
    from filterscope.pipeline.models.patterns import Patterns

#: The network as it is, beside its twins.
TRAINED: Literal["trained"] = "trained"
#: What the work is about: another number of views is other work.
_BLOCK = f"views-{LEARNED}"


@dataclass(frozen=True)
class FitTask(ModelTask):
    """A network or one of its twins."""

    which: Literal["trained"] | Which


def _path(run: Path, place: KeyPlace) -> Path:
    return run.joinpath("signal", *place[:-1], f"{place[-1]}.npz")


#: Patterns of a network or a twin.
SIGNAL = Artifact.single("signal", _path)


def plan_signal(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan the fits: a key for each model and network, itself and its twins; none where no method needs them."""
    asked, tasks = plan.of(AttributionOptions), {}
    networks = (TRAINED, *(get_args(Which) if asked.control_views else ()))
    for model, own in each_model(plan):
        for which in networks if any(takes(name, "patterns") for name in asked.methods) else ():
            key = key_of(kind, (model.name, which, _BLOCK), model, prints)
            tasks[key] = FitTask(key, own, model, which)
    return [replace(Stage.of(kind.name, tasks, _Fitter), steps=(forward_step(plan, _Fitter),))]


class _Fitter:
    """Called once for each network."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: FitTask) -> list[Output]:
        from filterscope.pipeline.models.patterns import fit_patterns

        plan, model = task.plan, task.model
        with refused("attribution", model.name):
            found = fit_patterns(self._network(task), learned_from(plan, model))
        # Patterns are as many numbers as weights, and hardly compress.
        checksum = write_arrays(_path(plan.run, task.key.place), found.arrays(), compressed=False)
        views = len(drawn_views(plan, LEARNED))
        return [Output(task.key, len(found.pattern), views, checksums={SIGNAL.name: checksum})]

    def _network(self, task: FitTask) -> "Network":
        if task.which == TRAINED:
            return self._networks.network(task.plan, task.model, ())
        from filterscope.pipeline.methods.attribution.controls import randomised

        return randomised(task.plan, task.model, task.which)


def read_patterns(run: Path, model: str, which: str = TRAINED) -> "Patterns":
    """Read the patterns of a network, or those of a randomised twin.

    Raises
    ------
    DamagedError
        If the file is missing, or is not the one that was written.
    """
    from filterscope.pipeline.models.patterns import Patterns

    place = (model, which, _BLOCK)
    return Patterns.of(read_arrays(Promise(run, ("signal",), place).read(SIGNAL.name, _path(run, place))))


SIGNAL_STAGE = StageKind("signal", reads=(), writes=(SIGNAL,), plan=plan_signal, like=("extract",))

__all__ = ["SIGNAL", "SIGNAL_STAGE", "TRAINED", "read_patterns"]
