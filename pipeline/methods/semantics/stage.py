"""Stage `semantics`: the strongest images of the units of a layer, and those of directions that are no units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.attributes.semantics import by_chance, coherence, directions, purity, strongest
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.artifacts import MAXIMA
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.outputs.truth import stated_labels
from filterscope.pipeline.methods.semantics.judge import JUDGED, read_judged
from filterscope.pipeline.methods.semantics.options import SemanticsOptions
from filterscope.pipeline.methods.tasks import LayerTask, by_layer
from filterscope.pipeline.methods.units import named_or_drawn
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Bases beside that of the units, in the order of the tables.
OTHERS = ("random", "rotated", "standardised")
#: Draws of random images that chance is the mean of.
CHANCE = 500
_MEASURES = {"scores": "coherence", "pixels": "likeness"}


@dataclass(frozen=True)
class _Images:
    """The views that are compared: those that were decoded and have one label."""

    view: np.ndarray
    label: np.ndarray
    group: np.ndarray
    responses: np.ndarray
    features: dict[str, np.ndarray]
    top: int

    def measured(self, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the chosen images of directions have in common, by the columns of the tables."""
        concept, pure = purity(chosen, self.label)
        common = {_MEASURES[name]: coherence(chosen, features) for name, features in self.features.items()}
        return {"concept": concept, "purity": pure, **common}

    def along(self, axes: np.ndarray, *, standardised: bool = False) -> np.ndarray:
        """Return the strongest images along directions."""
        scale = self.responses.std(axis=0) if standardised else np.ones(self.responses.shape[1])
        scaled = np.divide(self.responses, scale, out=np.zeros(self.responses.shape), where=scale > 0)
        return strongest(scaled, axes, self.group, self.top)


def measure(task: LayerTask) -> list[Output]:
    """Compare the units of a layer with other directions, and write its parts of both tables."""
    plan, options = task.plan, task.plan.of(SemanticsOptions)
    names, images = _images(task)
    units, layer = named_or_drawn(None, options.directions, task.model, task.layer), task.layer.channels
    # a unit that does not vary has no strongest images
    units = units[np.ptp(images.responses[:, units], axis=0) > 0]
    if not len(units):
        return _outputs(task, [], [])
    chosen = {"unit": images.along(np.eye(layer)[units])}
    seed = (plan.data_identity, "semantics", task.model.weights_sha256, task.layer.name)
    chance = images.measured(by_chance(images.group, images.top, CHANCE, seed_of(*seed, "chance")))
    own = images.measured(chosen["unit"])
    measures = [name for name in own if name != "concept"]
    summary = [_summary("unit", len(units), own, None, chance, measures)]
    rows = _rows(names, images, "unit", units, chosen["unit"], own)
    for basis in OTHERS:
        means: dict[str, list[float]] = {name: [] for name in measures}
        for draw in range(options.draws):
            axes = directions(layer, len(units), seed_of(*seed, basis, draw), rotated=basis != "random")
            strong = images.along(axes, standardised=basis == "standardised")
            found = images.measured(strong)
            for name in measures:
                means[name].append(float(found[name].mean()))
            if draw == 0:
                rows += _rows(names, images, basis, np.arange(len(units)), strong, found)
        drawn = {name: np.array(values) for name, values in means.items()}
        summary.append(_summary(basis, len(units), own, drawn, chance, measures))
    return _outputs(task, rows, summary)


def _outputs(task: LayerTask, rows: list[dict[str, Any]], summary: list[dict[str, Any]]) -> list[Output]:
    depth = 1 + [layer.name for layer in task.model.layers].index(task.layer.name)
    count, found = _write(task, "direction_semantics", rows)
    more, layer = _write(task, "layer_semantics", [{"depth": depth} | row for row in summary])
    return [Output(task.key, count + more, checksums=dict((found, layer)))]


def _images(task: LayerTask) -> tuple[list[str], _Images]:
    plan = task.plan
    options = plan.of(SemanticsOptions)
    store = ActivationStore(plan.run, task.model.name, task.layer.name)
    cuts = blocks("images", plan.view_count, plan.options.image_block)
    maxima = np.concatenate([store.read_maxima(start, stop, slice(None)) for _, start, stop in cuts])
    names, of_image = stated_labels(plan, options.label)
    label = of_image[plan.views.image]
    kept = np.flatnonzero((label >= 0) & ~np.isnan(maxima[:, 0]))
    # many images do not drive a sparse unit at all: which of equal ones come first must not go by their place in the data set
    seed = seed_of(plan.data_identity, "semantics", "ties")
    kept = np.random.Generator(np.random.PCG64(seed)).permutation(kept)
    group = plan.views.group[kept].astype(np.int64)
    if len(np.unique(group)) < 2 or len(np.unique(label[kept])) < 2:
        raise RunError(
            f"{len(kept)} views were decoded and have one value of {options.label!r}, of {len(np.unique(label[kept]))} "
            "different ones; directions are compared on two images or more, of two labels; add images, or name another "
            "attribute with --semantics.label"
        )
    features = {name: values[kept] for name, values in sorted(read_judged(plan, task.model).items())}
    return names, _Images(kept, label[kept], group, maxima[kept].astype(np.float64), features, options.top)


def _rows(
    names: list[str], images: _Images, basis: str, numbers: np.ndarray, chosen: np.ndarray, found: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    share = np.bincount(images.label, minlength=len(names)) / len(images.label)
    return [
        {
            "basis": basis,
            "direction": int(number),
            "images": chosen.shape[1],
            "views": images.view[chosen[at]].tolist(),
            "concept": names[found["concept"][at]],
            "concept_share": float(share[found["concept"][at]]),
            **{name: float(values[at]) for name, values in found.items() if name != "concept"},
        }
        for at, number in enumerate(numbers)
    ]


def _summary(
    basis: str, count: int, own: dict[str, np.ndarray], drawn: dict[str, np.ndarray] | None,
    chance: dict[str, np.ndarray], measures: list[str],
) -> dict[str, Any]:  # fmt: skip
    row: dict[str, Any] = {"basis": basis, "directions": count, "draws": 1 if drawn is None else len(drawn["purity"])}
    for name in measures:
        row[name] = float((own if drawn is None else drawn)[name].mean())
        row[f"{name}_chance"] = float(chance[name].mean())
        if drawn is not None:
            # means of equal images can differ in their last bits
            as_good = int((drawn[name] >= own[name].mean() - 1e-12).sum())
            row[f"{name}_p"] = (1 + as_good) / (1 + len(drawn[name]))
    if drawn is not None:
        row["purity_low"], row["purity_high"] = np.quantile(drawn["purity"], (0.025, 0.975)).tolist()
    return row


def _write(task: LayerTask, name: str, rows: list[dict[str, Any]]) -> tuple[int, tuple[str, str]]:
    own = {"model": task.model.name, "layer": task.layer.name}
    table = pa.Table.from_pylist([own | row for row in rows], schema=TABLES[name])
    count, digest = write_table(task.plan.run, name, task.key.place, [table])
    return count, (name, digest)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the comparison depends on, beside the maxima and the judge."""
    asked = plan.of(SemanticsOptions)
    drawn = {"directions": asked.directions, "draws": asked.draws, "chance": CHANCE, "bases": list(OTHERS)}
    return {"label": asked.label, "top": asked.top, **drawn}


MEASURE = StageKind(
    "semantics",
    reads=(MAXIMA, JUDGED),
    writes=(Table("direction_semantics"), Table("layer_semantics")),
    plan=by_layer(measure),
    parameters=parameters,
)

__all__ = ["MEASURE", "OTHERS"]
