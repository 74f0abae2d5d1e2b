"""What a run asks of biased representations: which outputs, which of its views, which layer is drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from filterscope.operators.bias.conflicts import UNKNOWN
from filterscope.operators.bias.relations import pairs_of
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.attributes import attribute_values
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.attribution.drawn import drawn_views
from filterscope.pipeline.methods.bias.options import BiasOptions
from filterscope.pipeline.methods.bias.tables import pairs_of_rows, regions_of_rows
from filterscope.pipeline.run.plan import Plan

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer

#: Outputs that are compared at most: every two of them are.
MOST = 100


def outputs_of(asked: BiasOptions, names: Sequence[str], model: str) -> list[int]:
    """Return the indices of the outputs that are compared, of those with these names.

    Raises
    ------
    InputError
        If one that is named anywhere is not there or is not the only one of its name, there are fewer than two, or too many.
    """
    for flag, name in _named(asked):
        if name not in names:
            hint = did_you_mean(name, names) or f" It has: {', '.join(names[:50])}."
            raise InputError(f"{flag}: {model} has no output {name!r}.{hint}")
        if list(names).count(name) > 1:
            raise InputError(f"{flag}: {model} has several outputs {name!r}; give them names with --labels")
    chosen = [index for index, name in enumerate(names) if not asked.attributes or name in asked.attributes]
    if len(chosen) < 2:
        raise InputError(f"{model} has {len(names)} outputs of which {len(chosen)} is asked for; a relation needs two")
    if len(chosen) > MOST:
        raise InputError(
            f"{model} has {len(names):,} outputs, and all pairs of them are compared; choose at most {MOST} with "
            "--bias.attributes"
        )
    return chosen


def _named(asked: BiasOptions) -> list[tuple[str, str]]:
    """Return the names of outputs that a user states, and the option."""
    found = [("--bias.attributes", name) for name in asked.attributes]
    found += [("--bias.expected", name) for p in pairs_of_rows(asked.expected) for name in (p.attribute, p.other)]
    return found + [("--bias.regions", name) for r in regions_of_rows(asked.regions) for name in sorted(r.own)]


def expectations(asked: BiasOptions, names: Sequence[str]) -> np.ndarray:
    """Return what is expected of every pair of outputs, int8 in the order of `pairs_of`; `UNKNOWN` where nothing is."""
    stated = {frozenset((pair.attribute, pair.other)): pair.expected for pair in pairs_of_rows(asked.expected)}
    first, second = pairs_of(len(names))
    pairs = (frozenset((names[i], names[j])) for i, j in zip(first, second, strict=True))
    return np.array([stated.get(pair, UNKNOWN) for pair in pairs], np.int8)


def mined_views(plan: Plan) -> np.ndarray:
    """Return the views on which relations are mined, int64, ascending."""
    return drawn_views(plan, plan.of(BiasOptions).views)


def some_views(plan: Plan, count: int) -> np.ndarray:
    """Return some of the mined views: fewer are among more."""
    among = np.zeros(plan.view_count, np.bool_)
    among[mined_views(plan)] = True
    return drawn_views(plan, count, among)


def seeds_of(plan: Plan, views: np.ndarray) -> list[int]:
    """Return a seed of each view for the bootstrap: that of its group of images."""
    return [seed_of("bias", plan.data_identity, group) for group in plan.views.group[views].tolist()]


def labels_of(plan: Plan, names: Sequence[str]) -> np.ndarray:
    """Return the labels of the images of each view for these outputs: int8 of shape (views, A), -1 where not known."""
    known, values = attribute_values(Dataset(plan.data))
    found = np.full((plan.view_count, len(names)), -1, np.int8)
    for column, name in enumerate(names):
        if name in known:
            found[:, column] = values[plan.views.image, known.index(name)]
    return found


def drawn_layer(asked: BiasOptions, layers: "Sequence[Layer]", model: str) -> "Layer | None":
    """Return the layer whose patterns are drawn; None where all maps are of 1 x 1.

    Raises
    ------
    InputError
        If the one that is named is not audited.
    """
    names = [layer.name for layer in layers]
    if asked.layer is None:
        return next((layer for layer in reversed(layers) if layer.height * layer.width > 1), None)
    if asked.layer not in names:
        hint = did_you_mean(asked.layer, names) or f" Audited are {', '.join(names)}."
        raise InputError(f"--bias.layer {asked.layer}: this layer of {model} is not audited.{hint}")
    return layers[names.index(asked.layer)]


__all__ = ["MOST", "drawn_layer", "expectations", "labels_of", "mined_views", "outputs_of", "seeds_of", "some_views"]
