"""Carries out a plan in this process, stage by stage, as one worker without Ray would."""

from jobs.audit import planned
from jobs.config import load_config
from jobs.stages import stages_of
from pipeline.run import RunFolder
from pipeline.stages.extract import create_stores
from pipeline.tables import write_plan_tables


def carry_out(plan):
    """Carry out every unit of work of every stage, and mark it."""
    create_stores(plan)
    for stage in stages_of(plan):
        calls = [step.call() if isinstance(step.call, type) else step.call for step in stage.steps]
        for work in stage.group(stage.units):
            handed = {}
            for call in calls:
                result = call(work.task, **handed)
                handed = result if isinstance(result, dict) else {}
            for output in result:
                RunFolder(plan.run).ledger.mark(output, 0.0)


def audit_here(out, **settings):
    """Audit into a folder and return it."""
    plan = planned(load_config(out=out, **{"metrics": "dissection", **settings}))
    carry_out(plan)
    write_plan_tables(plan)
    RunFolder(plan.run).record({}, plan, [])
    return out
