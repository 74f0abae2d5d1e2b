"""One stage of a planned run and its pieces of work, to be timed by itself."""

from filterscope.pipeline.engine.stage import Stage, Work
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.plan import Plan


def staged(plan: Plan, name: str) -> tuple[Stage, list[Work]]:
    """Return the stage of a name, whose arrays are made, and all of its work."""
    stages = Stages(plan)
    stages.prepare()
    [stage] = [stage for stage in stages.all() if stage.name == name]
    return stage, list(stage.group(stage.keys))
