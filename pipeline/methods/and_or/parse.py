"""Stage `and-or-parse`: where the templates of a draw find the part on held-out crops."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from filterscope.operators.and_or.parsing import parse
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.and_or.grow import PATTERNS, DrawTask, draws_of, parameters, read_templates
from filterscope.pipeline.methods.and_or.units import UNITS, read_responses
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import key_of, one
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

NAME = "and-or-parse"


def plan_parsing(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model, category and draw."""
    tasks = dict[Key, DrawTask]()
    for model, own, category, draw, block in draws_of(plan):
        key = key_of(kind, (model.name, block), model, prints)
        tasks[key] = DrawTask(key, own, model, category, draw, block)
    return one(kind, tasks, parse_heldout)


def parse_heldout(task: DrawTask) -> list[Output]:
    """Parse the held-out crops by every template of a draw, and write its part of `aog_parse`."""
    plan, parts = task.plan, task.parts()
    rows, held = task.templates(parts), parts.heldout
    views = parts.views.only(np.isin(np.arange(len(parts.image)), held))
    layers = [read_responses(plan, task.model, layer, views) for layer in task.layers]
    extent = task.model.geometry(plan.options.geometry).size
    pieces = []
    templates = read_templates(task, parts, rows, len(layers))
    for row, template in zip(rows.tolist(), templates, strict=True):
        centre, score = parse(template, layers, np.arange(len(held)), extent)
        shared = {"model": task.model.name, **task.names(), "template": int(parts.views.view[row])}
        columns = {
            **{name: [value] * len(held) for name, value in shared.items()},
            "view": views.view.astype(np.int32),
            "y": centre[:, 0],
            "x": centre[:, 1],
            "score": score,
        }
        pieces.append(pa.table(columns, schema=TABLES["aog_parse"]))
    count, digest = write_table(plan.run, "aog_parse", task.key.place, pieces)
    return [Output(task.key, count, checksums={"aog_parse": digest})]


PARSES = Table("aog_parse")
PARSE = StageKind(
    NAME, reads=(PATTERNS, *UNITS.writes, MAPS, MAXIMA), writes=(PARSES,), plan=plan_parsing, parameters=parameters
)

__all__ = ["NAME", "PARSE", "PARSES"]
