"""Stage `localize`: a part found on held-out crops from a few annotated ones, with nodes of a graph and without.

A piece of work is a model and a category; part, shots and layers stand in its name too, so that results for other parts stay
beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.graph.learn import NODE_POSITIONS, NODES
from filterscope.pipeline.methods.graph.part_views import PartViews
from filterscope.pipeline.methods.localize.asked import categories_asked, layers_asked, refuse_few
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.methods.localize.trial import Trial, rows_of
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


@dataclass(frozen=True)
class PartTask(ModelTask):
    """The crops of one category through one model."""

    category: str


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside the graph and what the keys say.

    The part is among it, for a dash in the name of a category or a part could give two of them one key.
    """
    asked = plan.of(LocalizeOptions)
    return {"part": asked.part, "shares": list(asked.shares), "most": asked.most, "draws": asked.draws}


def plan_parts(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model and each category whose crops have the part."""
    asked, tasks = plan.of(LocalizeOptions), dict[Key, PartTask]()
    for model, own in each_model(plan):
        if asked.part is None or asked.model not in (None, model.name):
            continue
        layers = ",".join(layer.name for layer in layers_asked(model, asked))
        for category in categories_asked(plan, model):
            block = quote(f"{category}-{asked.part}-{asked.shots}-{layers}", safe=",-")
            key = key_of(kind, (model.name, block), model, prints)
            tasks[key] = PartTask(key, own, model, category)
    return one(kind, tasks, find_part)


def find_part(task: PartTask) -> list[Output]:
    """Localise the part on the crops of one category and write its rows of `part_localization`."""
    plan, asked = task.plan, task.plan.of(LocalizeOptions)
    views = PartViews.of(plan, task.model, task.category, str(asked.part), extracted=True)
    refuse_few(views, asked.shots)
    trial = Trial.of(plan, task.model, layers_asked(task.model, asked), views)
    rows = list(rows_of(trial, asked.shares, asked.most))
    table = pa.Table.from_pylist(rows, schema=TABLES["part_localization"])
    count, digest = write_table(plan.run, "part_localization", task.key.place, [table])
    return [Output(task.key, count, checksums={"part_localization": digest})]


LOCALIZE = StageKind(
    "localize",
    reads=(NODES, NODE_POSITIONS, MAPS, MAXIMA),
    writes=(Table("part_localization"),),
    plan=plan_parts,
    parameters=parameters,
)
