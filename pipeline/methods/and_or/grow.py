"""Stage `and-or-grow`: templates of a part, grown from annotated crops layer by layer from the top.

A piece of work is a layer and the crops that are annotated in one draw, each a template, as its mirror image is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from filterscope.operators.and_or.growing import Patterns, Template, grow_layer
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.and_or.units import UNITS, read_responses
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.graph.part_views import PartViews
from filterscope.pipeline.methods.localize.asked import categories_asked, layers_asked, refuse_few
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.methods.localize.trial import annotated, with_mirrors
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import lists, read_table, write_table
from filterscope.schemas.results import TABLES

NAME = "and-or-grow"


@dataclass(frozen=True)
class DrawTask(ModelTask):
    """The part on the crops of a category that are annotated in one draw; `block` names it and all that it depends on."""

    category: str
    draw: int
    block: str

    @property
    def layers(self) -> list[Layer]:
        """Layers of the templates, from the top."""
        return layers_asked(self.model, self.plan.of(LocalizeOptions))

    def parts(self) -> PartViews:
        """Find the part on the crops that could be read."""
        return PartViews.of(
            self.plan, self.model, self.category, str(self.plan.of(LocalizeOptions).part), extracted=True
        )

    def templates(self, parts: PartViews) -> np.ndarray:
        """Return the rows of the crops that are templates."""
        shots = self.plan.of(LocalizeOptions).shots
        refuse_few(parts, shots)
        return with_mirrors(parts, annotated(parts, shots, self.draw))

    def names(self) -> dict[str, object]:
        """Return the columns that all rows of a draw share, but for the model."""
        asked = self.plan.of(LocalizeOptions)
        layers = ",".join(layer.name for layer in self.layers)
        shared = {"category": self.category, "part": asked.part, "layers": layers, "shots": asked.shots}
        return {**shared, "draw": self.draw}


@dataclass(frozen=True)
class GrowTask(DrawTask):
    """One layer of the templates of a draw."""

    depth: int


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what templates depend on beside their names; the part, for a dash could give two of them one key."""
    return {"part": plan.of(LocalizeOptions).part}


def draws_of(plan: Plan) -> Iterator[tuple[PlannedModel, Plan, str, int, str]]:
    """Yield model, plan of it alone, category, draw and block name of every draw that is asked for."""
    asked = plan.of(LocalizeOptions)
    for model, own in each_model(plan):
        if asked.part is None or asked.model not in (None, model.name):
            continue
        for category in categories_asked(plan, model):
            for draw in range(asked.draws):
                yield model, own, category, draw, f"{trial_block(plan, model, category)}-{draw:03d}"


def trial_block(plan: Plan, model: PlannedModel, category: str) -> str:
    """Return what the draws of a category share in the names of their files."""
    asked = plan.of(LocalizeOptions)
    layers = ",".join(layer.name for layer in layers_asked(model, asked))
    return quote(f"{category}-{asked.part}-{asked.shots}-{layers}", safe=",-")


def plan_growing(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a stage for each depth: a layer is grown when that above it is."""
    deepest = max((len(model.layers) for model in plan.models), default=0)
    tasks: list[dict[Key, GrowTask]] = [{} for _ in range(deepest)]
    for model, own, category, draw, block in draws_of(plan):
        for depth, layer in enumerate(layers_asked(model, plan.of(LocalizeOptions))):
            key = key_of(kind, (model.name, layer.name, block), model, prints)
            tasks[depth][key] = GrowTask(key, own, model, category, draw, block, depth)
    return [Stage.of(kind.name, each, grow_templates) for each in tasks]


def grow_templates(task: GrowTask) -> list[Output]:
    """Grow one layer of the templates of a draw, and write its part of `aog_patterns`."""
    plan, layer, parts = task.plan, task.layers[task.depth], task.parts()
    rows = task.templates(parts)
    chosen = np.unique(rows)
    mask = np.isin(np.arange(len(parts.image)), chosen)
    responses = read_responses(plan, task.model, layer, parts.views.only(mask))
    above = read_templates(task, parts, rows, task.depth) if task.depth else None
    side = float(max(task.model.geometry(plan.options.geometry).size))
    pieces = []
    for number, row in enumerate(rows.tolist()):
        upper = above[number].layers[-1] if above else None
        at = np.searchsorted(chosen, [row])
        patterns = grow_layer(responses, at, parts.centre[[row]], side, upper)
        pieces.append(_rows(task, layer, int(parts.views.view[row]), patterns))
    count, digest = write_table(plan.run, "aog_patterns", task.key.place, pieces)
    return [Output(task.key, count, checksums={"aog_patterns": digest})]


def _rows(task: DrawTask, layer: Layer, view: int, patterns: Patterns) -> pa.Table:
    count = len(patterns.unit)
    shared = {"model": task.model.name, "layer": layer.name, **task.names(), "template": view}
    parents = patterns.parents.astype(np.int32)
    columns = {
        **{name: [value] * count for name, value in shared.items()},
        "pattern": np.arange(count, dtype=np.int32),
        "unit": patterns.unit.astype(np.int32),
        "y": patterns.place[:, 0],
        "x": patterns.place[:, 1],
        "displacement_y": patterns.displacement[:, 0],
        "displacement_x": patterns.displacement[:, 1],
        "usual": patterns.usual,
        "near": patterns.near,
        "score": patterns.score,
        "parents": lists(parents) if parents.shape[1] else [[]] * count,
    }
    return pa.table(columns, schema=TABLES["aog_patterns"])


def read_templates(task: DrawTask, parts: PartViews, rows: np.ndarray, depth: int) -> list[Template]:
    """Return the templates of a draw, one for each of some rows of the crops, with their `depth` highest layers."""
    found: list[list[Patterns]] = [[] for _ in rows]
    for layer in task.layers[:depth]:
        place = (task.model.name, layer.name, task.block)
        table = read_table(task.plan.run, "aog_patterns", place, stage=NAME)
        template = table["template"].to_numpy()
        for number, row in enumerate(rows.tolist()):
            mine = table.filter(pa.array(template == parts.views.view[row]))
            found[number].append(_patterns(mine))
    return [Template(tuple(layers), parts.centre[row]) for layers, row in zip(found, rows.tolist(), strict=True)]


def _patterns(rows: pa.Table) -> Patterns:
    value = {name: rows[name].to_numpy() for name in rows.column_names if name not in ("parents", "layers")}
    place = np.stack([value["y"], value["x"]], axis=1)
    displacement = np.stack([value["displacement_y"], value["displacement_x"]], axis=1)
    parents = rows["parents"].combine_chunks().flatten().to_numpy().reshape(rows.num_rows, -1).astype(np.int64)
    unit = value["unit"].astype(np.int64)
    return Patterns(unit, place, displacement, value["usual"], value["near"], value["score"], parents, place[None])


PATTERNS = Table("aog_patterns")
GROW = StageKind(
    NAME, reads=(*UNITS.writes, MAPS, MAXIMA), writes=(PATTERNS,), plan=plan_growing, parameters=parameters
)

__all__ = ["GROW", "PATTERNS", "DrawTask", "draws_of", "parameters", "read_templates", "trial_block"]
