"""Carries out a plan in this process, stage by stage, as one worker without Ray would."""

from jobs.audit import planned
from jobs.config import load_config
from jobs.stages import stages_of
from pipeline.stages.extract import create_stores


def carry_out(plan):
    """Carry out every unit of work of every stage."""
    create_stores(plan)
    for stage in stages_of(plan):
        calls = [step.call() if isinstance(step.call, type) else step.call for step in stage.steps]
        for work in stage.group(stage.units):
            handed = {}
            for call in calls:
                result = call(work.task, **handed)
                handed = result if isinstance(result, dict) else {}


def audit_here(out, **settings):
    """Audit into a folder and return it."""
    carry_out(planned(load_config(out=out, **{"metrics": "dissection", **settings})))
    return out
