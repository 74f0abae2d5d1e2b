"""Disk that the work left of a run may take."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import listing


def bytes_left(stages: Stages, ledger: Ledger) -> dict[str, int]:
    """Return the most bytes that stages may write beside tables for keys never computed, by the name of each that has any.

    What was computed with other parameters counts as computed: it is written over in place.
    """
    found = {
        kind.name: sum(_left(kind, stages.plan.only(model.name), stages, ledger) for model in stages.plan.models)
        for kind in stages.kinds
        if kind.bytes is not None
    }
    return {name: count for name, count in found.items() if count}


def _left(kind: StageKind, plan: Plan, stages: Stages, ledger: Ledger) -> int:
    """Return the bytes left of a stage for the plan's one model: those of each layer, by the share of its keys."""
    assert kind.bytes is not None
    [model] = plan.models
    if not listing(ledger.folder / kind.name / model.name):
        return kind.bytes(plan)
    keys, left = Counter[str](), Counter[str]()
    for key, marked in _marked(kind, plan, stages, ledger):
        keys[key.place[1]] += 1
        left[key.place[1]] += not marked
    layers = (layer for layer in model.layers if left[layer.name])
    alone = {layer.name: replace(plan, models=(replace(model, layers=(layer,)),)) for layer in layers}
    return sum(kind.bytes(own) * left[layer] // keys[layer] for layer, own in alone.items())


def _marked(kind: StageKind, plan: Plan, stages: Stages, ledger: Ledger) -> Iterator[tuple[Key, bool]]:
    """Yield the keys of a stage, and whether each has a marker, of whatever fingerprint."""
    known: dict[tuple[str, ...], set[str]] = {}
    for key in (key for stage in kind.plan(kind, plan, stages.prints) for key in stage.keys):
        *folders, block = key.place
        place = tuple(folders)
        if place not in known:
            known[place] = {name.partition(".")[0] for name in listing(ledger.folder.joinpath(kind.name, *place))}
        yield key, block in known[place]


__all__ = ["bytes_left"]
