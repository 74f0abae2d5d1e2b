"""How long what forward passes left is kept: until all was computed from it, or again where a stage reads it once more."""

from filterscope.pipeline.methods.dissection.artifacts import TALLIES
from filterscope.pipeline.methods.extraction.artifacts import MAPS
from filterscope.pipeline.methods.extraction.extract import remove_activations
from filterscope.pipeline.methods.extraction.passes import passes_removed, remove_passes
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.activations import ActivationStore


def finished_with(plan: Plan) -> None:
    """Delete what the forward passes of a plan's models left and nothing reads any more, unless it is to be kept."""
    if not plan.options.stored:
        remove_passes(plan)
    elif not plan.options.keep_activations:
        remove_activations(plan)


def readmit(run: RunFolder, stages: Stages) -> None:
    """Have forward passes made again whose outputs were deleted and are now read by a stage that is not done."""
    if stages.plan.options.stored:
        _extract_again(run, stages)
    else:
        _pass_again(run, stages)


def _needed(run: RunFolder, stages: Stages, readers: set[str]) -> set[tuple[str, str]]:
    """Return model and layer of the work that is missing of some stages."""
    layers = {model.name: [layer.name for layer in model.layers] for model in stages.plan.models}
    found: set[tuple[str, str]] = set()
    for stage in (stage for stage in stages.all() if stage.name in readers):
        for model, *rest in (key.place for key in run.ledger.missing(stage.keys)):
            # a piece of work about no layer of its own reads them all
            found |= {(model, layer) for layer in layers[model] if len(rest) < 2 or layer == rest[0]}
    return found


def _extract_again(run: RunFolder, stages: Stages) -> None:
    removed = [
        (model.name, layer.name)
        for model in stages.plan.models
        for layer in model.layers
        if ActivationStore(run.path, model.name, layer.name).removed
    ]
    if not removed:
        return
    again = set(removed) & _needed(run, stages, stages.reading(MAPS))
    _forget(run, stages, {kind.name for kind in stages.kinds if MAPS in kind.writes}, again)
    for model, layer in again:
        ActivationStore(run.path, model, layer).readmit()


def _pass_again(run: RunFolder, stages: Stages) -> None:
    needed = _needed(run, stages, stages.reading(TALLIES))
    lost = {place for place in needed if passes_removed(stages.plan, *place)}
    _forget(run, stages, stages.passing(TALLIES), lost)


def _forget(run: RunFolder, stages: Stages, names: set[str], places: set[tuple[str, str]]) -> None:
    for stage in stages.all() if places else ():
        if stage.name in names:
            run.ledger.forget(key for key in stage.keys if (key.place[0], key.place[1]) in places)


__all__ = ["finished_with", "readmit"]
