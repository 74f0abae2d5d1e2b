"""Stage `attribution`: every way to explain a score, and every map that it must beat, on each view that shows a region.

A key is a model, a method and a block of views. Maps are not stored: what is kept of one is how it compares with the regions.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.keys import Grid, Key, Keys
from filterscope.pipeline.engine.stage import Output, Stage, Work
from filterscope.pipeline.methods.attribution.drawn import drawn_views
from filterscope.pipeline.methods.attribution.explainers import BASELINES, made, needs_layer, takes
from filterscope.pipeline.methods.attribution.needs import layer_of
from filterscope.pipeline.methods.attribution.options import AttributionOptions, Which
from filterscope.pipeline.methods.attribution.regions import may_show, named_regions, regions_of
from filterscope.pipeline.methods.attribution.signal import SIGNAL, TRAINED, read_patterns
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.extraction.extract import PassTask, forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.outputs import truth
from filterscope.pipeline.methods.outputs.needs import refused
from filterscope.pipeline.methods.outputs.targets import TRUE, asked_classes
from filterscope.pipeline.methods.outputs.truth import UNKNOWN
from filterscope.pipeline.methods.outputs.views import refuse_broken, seen_views
from filterscope.pipeline.methods.tasks import each_model, start_of, view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

if TYPE_CHECKING:
    from filterscope.pipeline.methods.attribution.block import Block
    from filterscope.pipeline.methods.attribution.explainers.base import Explainer
    from filterscope.pipeline.models.network import Network

#: Forward passes of an image from which on a method is a piece of work of its own.
COSTLY = 10.0


def plan_attribution(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan the maps: a key for each model, method and block of views."""
    cuts, methods = view_blocks(plan), (*plan.of(AttributionOptions).methods, *BASELINES)
    grids = []
    for model in plan.models:
        # what is cheap comes first, for neighbouring keys may share a piece of work
        ordered = sorted(methods, key=partial(projected_passes, model))
        grids.append(Grid(kind.name, tuple((model.name, name) for name in ordered), cuts, prints.of(kind, model)))
    plans = {model.name: own for model, own in each_model(plan)}
    group = partial(_works, plans, plan.view_count, plan.options.image_block)
    return [Stage(kind.name, Keys(grids), group, (forward_step(plan, _Attributor),))]


def _works(plans: dict[str, Plan], views: int, size: int, missing: Iterable[Key]) -> Iterator[Work]:
    """Put what is cheap on a block into one piece of work, which decodes it once; the rest is a piece of work each."""

    def piece(key: Key) -> tuple[str, str, str]:
        model, name, block = key.place
        return model, block, name if projected_passes(plans[model].model(model), name) >= COSTLY else ""

    for (model, block, _), found in groupby(missing, key=piece):
        keys, start, own = tuple(found), start_of(block), plans[model]
        yield Work(keys, PassTask(keys, own, own.model(model), start, min(start + size, views)))


def projected_passes(model: PlannedModel, name: str) -> float:
    """Return how many forward passes of a model a method takes for an image."""
    return _passes(name, *model.transform.input_size)


@cache
def _passes(name: str, height: int, width: int) -> float:
    return float(made(name).projected_passes(height, width))


def _drawn(plan: Plan, count: int | None) -> np.ndarray:
    """Return some of the views whose images have a region, or all; see `drawn_views`."""
    return drawn_views(plan, count, may_show(plan, tuple(plan.of(AttributionOptions).regions)))


class _Attributor:
    """Called once for each piece of work; holds the networks of the model it explained last, and what explains them."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()
        self._model = ""
        self._twins: dict[str, Network] = {}
        self._explainers: dict[tuple[str, str], Explainer] = {}

    def __call__(self, task: PassTask) -> list[Output]:
        if task.model.name != self._model:
            self._model, self._twins, self._explainers = task.model.name, {}, {}
        block = self._block(task)
        return [self._written(task, key, *self._rows(task, key.place[1], block)) for key in task.keys]

    def _block(self, task: PassTask) -> "Block":
        """Return the views of a task that the forward pass had, that show a region and whose class is known."""
        from filterscope.pipeline.methods.attribution.block import Block

        plan, model, asked = task.plan, task.model, task.plan.of(AttributionOptions)
        pixels, seen = seen_views(plan, model, task.start, task.stop)
        network = self._networks.network(plan, model, ())
        with refused("attribution", model.name):
            scores = network.scores(pixels)
        refuse_broken(plan, ~seen | np.isfinite(scores).all(axis=1), task.start, f"scores of {model.name} are")
        found = asked_classes(plan, network, scores, asked.target, task.start)
        truth.write_bad(plan, model.name, task.keys[0].place[-1], task.keys[0].stage, found.bad)
        named = named_regions(Dataset(plan.data), asked.regions)
        regions = regions_of(plan, model, named, task.start, task.stop)
        drawn = np.isin(np.arange(task.start, task.stop), _drawn(plan, asked.views))
        shows = np.array([bool(masks) for masks in regions])
        at = np.flatnonzero(seen & drawn & shows & (found.classes != UNKNOWN))
        shown = [regions[view] for view in at]
        return Block.of(plan.data_identity, task.start + at, pixels[at], found.classes[at], shown)

    def _rows(self, task: PassTask, name: str, block: "Block") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of `attribution_scores` and of `attribution_sanity` of one method."""
        if not len(block.views):
            return [], []
        plan, asked = task.plan, task.plan.of(AttributionOptions)
        network = self._networks.network(plan, task.model, ())
        found = block.explained(self._explainer(task, name, ""), network)
        rows = block.rows(found, "none" if name in BASELINES else "trained")
        areas = block.curves(found, network, np.isin(block.views, _drawn(plan, asked.curves)))
        rows = [{**row, **areas.get(row["view"], {})} for row in rows]
        chosen = np.isin(block.views, _drawn(plan, asked.control_views))
        if name in BASELINES or not chosen.any():
            return rows, []
        control, sanity = block.only(chosen), []
        kept = type(found)(found.maps[chosen], found.passes)
        for which in ("top", "all"):
            twin = self._twin(task, which)
            other = control.explained(self._explainer(task, name, which), twin)
            sanity += control.agreement(kept, other, which)
            rows += control.rows(other, "random") if which == "all" else []
        return rows, sanity

    def _twin(self, task: PassTask, which: Which) -> "Network":
        from filterscope.pipeline.methods.attribution.controls import randomised

        if which not in self._twins:
            self._twins[which] = randomised(task.plan, task.model, which)
        return self._twins[which]

    def _explainer(self, task: PassTask, name: str, which: str) -> "Explainer":
        """Return what explains a network, the trained one or a twin, read once."""
        if (name, which) not in self._explainers:
            asked, layer = task.plan.of(AttributionOptions), None
            if needs_layer(name):
                layer = layer_of(asked, task.model.layers, task.model.name).name
            patterns = None
            if takes(name, "patterns"):
                patterns = read_patterns(task.plan.run, task.model.name, which or TRAINED)
            self._explainers[name, which] = made(name, layer, patterns)
        return self._explainers[name, which]

    def _written(self, task: PassTask, key: Key, scores: list[dict[str, Any]], sanity: list[dict[str, Any]]) -> Output:
        plan, total, checksums = task.plan, 0, {}
        image, known = plan.views.image, {"model": task.model.name, "method": key.place[1]}
        for table, found in (("attribution_scores", scores), ("attribution_sanity", sanity)):
            rows = [{**known, "image": int(image[row["view"]]), **row} for row in found]
            content = pa.Table.from_pylist(rows, schema=TABLES[table])
            count, checksums[table] = write_table(plan.run, table, key.place, [content])
            total += count
        return Output(key, total, len(np.unique(image[task.start : task.stop])), checksums=checksums)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside the network, the views, how they are run and what the keys say."""
    asked = plan.of(AttributionOptions)
    return {
        "target": asked.target,
        **(truth.parameters(plan, model) if asked.target == TRUE else {}),
        "regions": list(asked.regions),
        "layer": asked.layer,
        "layers": [layer.name for layer in model.layers] if asked.layer is None else [],
        "views": asked.views,
        "control_views": asked.control_views,
        "curves": asked.curves,
    }


ATTRIBUTION = StageKind(
    "attribution",
    reads=(DECODED, SIGNAL),
    writes=(Table("attribution_scores"), Table("attribution_sanity")),
    plan=plan_attribution,
    parameters=parameters,
    like=("extract",),
)

__all__ = ["ATTRIBUTION", "COSTLY", "projected_passes"]
