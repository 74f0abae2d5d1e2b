"""What a person is told of the cost of a run before its expensive stages start."""

from pipeline.plan import Plan


def costs(plan: Plan, stages: set[str]) -> list[str]:
    """Return a line for every model on what the expensive stages cost.

    Parameters
    ----------
    plan : Plan
        What is computed.
    stages : set of str
        Stages with units that are missing.
    """
    if "occlude" not in stages:
        return []
    from pipeline.stages.occlude import projected_copies

    return [
        f"{name}: receptive-field runs at most {copies:,} occluded copies ({_boxes(plan, name):,} boxes an image, "
        f"{plan.options.field_images} images a unit), the cost of extracting {copies / plan.images:,.0f} times"
        for name, copies in projected_copies(plan).items()
    ]


def _boxes(plan: Plan, name: str) -> int:
    from pipeline.stages.occlude import occluders_of

    return len(occluders_of(plan, plan.model(name)).corners)
