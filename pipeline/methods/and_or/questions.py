"""Stage `and-or-questions`: part graphs that grow by the answers of a simulated person, asked by each strategy in turn.

A piece of work is a category and a seed: all strategies ask about the same pool, so that they are compared pair by pair.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.and_or.answering import POINT, SAME, answered
from filterscope.operators.and_or.asking import ALPHA, BETA, STRATEGIES
from filterscope.operators.and_or.inquiry import Inquiry
from filterscope.operators.localization.measures import normalised_distance
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.and_or.grow import trial_block
from filterscope.pipeline.methods.and_or.options import AndOrOptions
from filterscope.pipeline.methods.and_or.units import UNITS, read_responses
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.graph.part_views import PartViews
from filterscope.pipeline.methods.localize.asked import categories_asked, layers_asked
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


@dataclass(frozen=True)
class QuestionsTask(ModelTask):
    """The crops of one category, and a seed."""

    category: str
    seed: int


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what answers depend on beside responses."""
    asked = plan.of(AndOrOptions)
    rules = {"alpha": ALPHA, "beta": BETA, "same": SAME, "point": POINT}
    return {"part": plan.of(LocalizeOptions).part, "questions": asked.questions, "pool": asked.pool, **rules}


def plan_questions(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model, category and seed; none where nothing is asked."""
    asked, own_options, tasks = plan.of(LocalizeOptions), plan.of(AndOrOptions), dict[Key, QuestionsTask]()
    for model, own in each_model(plan):
        if not own_options.questions or asked.part is None or asked.model not in (None, model.name):
            continue
        for category in categories_asked(plan, model):
            for seed in range(own_options.seeds):
                block = f"{trial_block(plan, model, category)}-{seed:03d}"
                key = key_of(kind, (model.name, block), model, prints)
                tasks[key] = QuestionsTask(key, own, model, category, seed)
    return one(kind, tasks, inquire)


def inquire(task: QuestionsTask) -> list[Output]:
    """Ask about one pool by each strategy, and write the part of `questions` of a seed."""
    rows = list(_rows(task))
    table = pa.Table.from_pylist(rows, schema=TABLES["questions"])
    count, digest = write_table(task.plan.run, "questions", task.key.place, [table])
    return [Output(task.key, count, checksums={"questions": digest})]


def _rows(task: QuestionsTask) -> Iterator[dict[str, object]]:
    plan, asked = task.plan, task.plan.of(LocalizeOptions)
    parts = PartViews.of(plan, task.model, task.category, str(asked.part), extracted=True)
    layers, extent = layers_asked(task.model, asked), task.model.geometry(plan.options.geometry).size
    bits = np.random.PCG64(seed_of("and-or", "questions", task.category, parts.part, task.seed))
    order = np.argsort(bits.random_raw(len(parts.annotatable)), kind="stable")
    drawn = np.sort(parts.annotatable[order[: plan.of(AndOrOptions).pool]])
    rows = np.sort(np.concatenate([drawn, parts.heldout]))
    views = parts.views.only(np.isin(np.arange(len(parts.image)), rows))
    responses = [read_responses(plan, task.model, layer, views) for layer in layers]
    pool, held = np.searchsorted(rows, drawn), np.searchsorted(rows, parts.heldout)
    chance = np.argsort(bits.random_raw(len(pool)), kind="stable").astype(np.float64)
    part, size = parts.centre[rows], parts.size[rows]
    names = {"category": task.category, "part": parts.part, "layers": ",".join(layer.name for layer in layers)}
    shared = {"model": task.model.name, **names, "seed": task.seed, "heldout": len(held)}
    for strategy in STRATEGIES:
        inquiry = Inquiry(responses, extent, pool)
        for number in range(min(plan.of(AndOrOptions).questions, len(pool))):
            view = inquiry.ask(strategy, chance)
            answer = answered(inquiry, view, part, size)
            inquiry.take(answer)
            centre, _, _ = inquiry.parsed(held)
            yield {
                **shared,
                "strategy": strategy,
                "question": number + 1,
                "view": int(views.view[view]),
                "answer": answer.said,
                "template": answer.template,
                "templates": len(inquiry.branches),
                "patterns": sum(template.count for template in inquiry.templates),
                "distance": float(normalised_distance(centre, part[held], extent).mean()),
            }


QUESTIONS = StageKind(
    "and-or-questions",
    reads=(*UNITS.writes, MAPS, MAXIMA),
    writes=(Table("questions"),),
    plan=plan_questions,
    parameters=parameters,
)

__all__ = ["QUESTIONS"]
