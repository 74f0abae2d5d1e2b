"""Stage `and-or`: how well And-Or templates find a part, beside the baselines of `localize` on the same sets of crops."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.and_or import grow, parse
from filterscope.pipeline.methods.and_or.grow import PATTERNS, trial_block
from filterscope.pipeline.methods.and_or.parse import PARSES
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.graph.part_views import PartViews
from filterscope.pipeline.methods.localize.asked import categories_asked, layers_asked
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.methods.localize.trial import Trial, measured_rows
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import read_table, write_table
from filterscope.schemas.results import TABLES

AND_OR, MIXED = "And-Or", "And-Or mixed"
#: Templates weigh exp(sharpness * score) where they are mixed.
SHARPNESS = 1.0


@dataclass(frozen=True)
class SummaryTask(ModelTask):
    """All draws of one category."""

    category: str
    block: str


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside templates and what the keys say."""
    asked = plan.of(LocalizeOptions)
    return {"part": asked.part, "draws": asked.draws, "sharpness": SHARPNESS}


def plan_summary(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model and each category whose crops have the part."""
    asked, tasks = plan.of(LocalizeOptions), dict[Key, SummaryTask]()
    for model, own in each_model(plan):
        if asked.part is None or asked.model not in (None, model.name):
            continue
        for category in categories_asked(plan, model):
            block = trial_block(plan, model, category)
            key = key_of(kind, (model.name, block), model, prints)
            tasks[key] = SummaryTask(key, own, model, category, block)
    return one(kind, tasks, summarise)


def summarise(task: SummaryTask) -> list[Output]:
    """Measure what the templates found, and write the part of `aog_summary` of a category."""
    plan, asked = task.plan, task.plan.of(LocalizeOptions)
    parts = PartViews.of(plan, task.model, task.category, str(asked.part), extracted=True)
    trial = Trial.of(plan, task.model, layers_asked(task.model, asked), parts, nodes=False)
    found = _found(task, parts)
    answers = [
        (AND_OR, None, None, trial.together(found.__getitem__, None)),
        (MIXED, None, None, trial.together(found.__getitem__, SHARPNESS)),
    ]
    patterns = _patterns(task)
    rows = [
        {**row, "patterns": patterns if row["method"] in (AND_OR, MIXED) else None}
        for row in measured_rows(trial, answers)
    ]
    table = pa.Table.from_pylist(rows, schema=TABLES["aog_summary"])
    count, digest = write_table(plan.run, "aog_summary", task.key.place, [table])
    return [Output(task.key, count, checksums={"aog_summary": digest})]


def _blocks(task: SummaryTask) -> Iterator[str]:
    for draw in range(task.plan.of(LocalizeOptions).draws):
        yield f"{task.block}-{draw:03d}"


def _found(task: SummaryTask, parts: PartViews) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return where each template, by the row of its crop, finds the part on the held-out crops, and its scores."""
    found, held = {}, len(parts.heldout)
    row_of = {int(view): row for row, view in enumerate(parts.views.view)}
    for block in _blocks(task):
        columns = ("template", "y", "x", "score")
        table = read_table(task.plan.run, "aog_parse", (task.model.name, block), stage=parse.NAME, columns=columns)
        template, y, x, score = (table[name].to_numpy().reshape(-1, held) for name in columns)
        for number, views in enumerate(template):
            found[row_of[int(views[0])]] = np.stack([y[number], x[number]], axis=1), score[number]
    return found


def _patterns(task: SummaryTask) -> float:
    """Return how many patterns a template has on average."""
    layers = layers_asked(task.model, task.plan.of(LocalizeOptions))
    patterns = templates = 0
    for block in _blocks(task):
        for depth, layer in enumerate(layers):
            place = (task.model.name, layer.name, block)
            table = read_table(task.plan.run, "aog_patterns", place, stage=grow.NAME, columns=("template",))
            patterns += table.num_rows
            templates += len(table["template"].unique()) if not depth else 0
    return patterns / max(templates, 1)


SUMMARY = StageKind(
    "and-or",
    reads=(PATTERNS, PARSES, MAPS, MAXIMA),
    writes=(Table("aog_summary"),),
    plan=plan_summary,
    parameters=parameters,
)

__all__ = ["AND_OR", "MIXED", "SUMMARY"]
