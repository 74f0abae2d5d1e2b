"""Stage `rules`: how true rules are of the answers of a network, beside chance and the data, and what imposing them does."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.codes.effects import q_values
from filterscope.operators.rules.formula import implied, truth
from filterscope.operators.rules.obedience import BROKEN, obedience
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.outputs import truth as classes
from filterscope.pipeline.methods.rules.grounds import Grounds, grounds, sides
from filterscope.pipeline.methods.rules.imposed import PERMUTED, Imposed
from filterscope.pipeline.methods.rules.options import RulesOptions
from filterscope.pipeline.methods.rules.scores import RULE_SCORES
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.run.rule_file import Rule
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


def plan_rules(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model."""
    tasks = {}
    for model, own in each_model(plan):
        key = key_of(kind, (model.name, "all"), model, prints)
        tasks[key] = ModelTask(key, own, model)
    return one(kind, tasks, measure)


def measure(task: ModelTask) -> list[Output]:
    """Measure all rules on one model and write its parts of the three tables."""
    plan, asked = task.plan, task.plan.of(RulesOptions)
    found = grounds(plan, task.model.name)
    imposed = Imposed(found, asked.scores, asked.strength)
    parts = {
        "rule_truth": _truths(found, asked.permutations),
        "rule_posteriors": [imposed.row(found.rules), *({"rule": r.name, **imposed.row([r])} for r in found.rules)],
        "rule_violations": [row for rule in found.rules for row in _worst(plan, found, rule)],
    }
    rows, checksums = 0, {}
    for name, own in parts.items():
        table = _table(name, [{"model": task.model.name, **row} for row in own])
        count, checksums[name] = write_table(plan.run, name, task.key.place, [table])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


def _truths(found: Grounds, permutations: int) -> list[dict[str, Any]]:
    """Return the rows of `rule_truth`."""
    values, count = found.answered(), len(found.views)
    rows, p = [], []
    for rule in found.rules:
        antecedent, consequent = sides(rule, values, count)
        known = np.flatnonzero(~np.isnan(consequent))
        stated = np.broadcast_to(truth(rule.formula, found.values(found.stated, found.shown)), count)
        row: dict[str, Any] = {"rule": rule.name, "text": rule.text, "weight": rule.weight, "groundings": len(known)}
        row |= {"violations": 0, "stated": int((~np.isnan(stated)).sum())}
        row["truth_in_data"] = float(np.nanmean(stated)) if row["stated"] else np.nan
        p.append(np.nan)
        if len(known):
            own = None if antecedent is None else antecedent[known]
            sources = found.sources(known, np.empty((len(known), 0), np.bool_), permutations)
            obeyed = obedience(own, consequent[known], sources)
            row["fires"] = None if own is None else int((own >= BROKEN).sum())
            row |= {name: getattr(obeyed, name) for name in ("truth", "violations", "null", "lift")}
            p[-1] = obeyed.p_value
        rows.append(row)
    return [{**row, "q_value": q} for row, q in zip(rows, q_values(np.array(p)).tolist(), strict=True)]


def _worst(plan: Plan, found: Grounds, rule: Rule) -> list[dict[str, Any]]:
    """Return the rows of `rule_violations` of a rule: the views of least truth, of equal ones the first."""
    antecedent, consequent = sides(rule, found.answered(), len(found.views))
    own = consequent if antecedent is None else implied(antecedent, consequent)
    below = np.flatnonzero(own < 1)
    below = below[np.argsort(own[below], kind="stable")][: plan.of(RulesOptions).worst]
    return [
        {
            "rule": rule.name,
            "rank": rank,
            "image": int(plan.views.image[found.views[row]]),
            "view": int(found.views[row]),
            "truth": float(own[row]),
        }
        for rank, row in enumerate(below.tolist())
    ]


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Return a table whose NaN are null."""
    schema = TABLES[name]
    columns = [pa.array([row.get(f.name) for row in rows], f.type, from_pandas=True) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside probabilities, views and the data set."""
    asked = plan.of(RulesOptions)
    return {
        "rules": list(asked.file),
        "strength": asked.strength,
        "strata": asked.strata,
        "permutations": asked.permutations,
        "permuted": PERMUTED,
        "worst": asked.worst,
        **classes.parameters(plan, model),
    }


RULES = StageKind(
    "rules",
    reads=(RULE_SCORES,),
    writes=(Table("rule_truth"), Table("rule_posteriors"), Table("rule_violations")),
    plan=plan_rules,
    parameters=parameters,
)

__all__ = ["RULES"]
