"""Carries out a plan in this process, stage by stage, as one worker without Ray would."""

from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import planned
from filterscope.jobs.runs.stages import stages_of
from filterscope.pipeline.methods.extraction.extract import create_stores
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.tables import write_plan_tables


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
