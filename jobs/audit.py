"""The verb `audit`: plan, run the stages, summarise; a finished run is recognised without opening anything."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jobs.config import AuditConfig
from jobs.progress import Progress, say
from pipeline.datasets.layout import files_of
from pipeline.errors import InputError, RunError
from pipeline.plan import Options, Plan
from pipeline.run import RunFolder, unchanged
from pipeline.stage import Stage

#: Order of the stages: each reads what earlier ones wrote.
STAGES = ("masks", "extract", "concepts", "dissect")


def audit(config: AuditConfig, *, redo: str | None = None, command: str = "") -> bool:
    """Carry out an audit, or what is missing of it.

    Parameters
    ----------
    config : AuditConfig
        What is asked.
    redo : str, optional
        A stage to recompute, with all that depends on it.
    command : str
        The command line, for the table `runs`.

    Returns
    -------
    bool
        False if there was nothing to do.

    Raises
    ------
    InputError
        If something asked for cannot be done.
    RunError
        If the run stopped with its finished work saved.
    """
    began = datetime.now(UTC)
    run, request = RunFolder(config.out), config.resolved()
    run.refuse_foreign()
    _refuse_unready(config, redo)
    plan = _recorded_plan(run, request)
    if plan and not redo and not run.missing(stages_of(plan)):
        return False
    if plan is None or redo:
        plan = _new_plan(run, config)
        stages = stages_of(plan)
        if redo:
            _forget(run, stages, redo)
        for stage in stages:
            run.ledger.refuse_changes(stage.units)
        run.record(request, plan, _files(plan))
    outcome = "failed"
    try:
        _carry_out(run, plan)
        outcome = "done"
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        run.log(began, outcome, command, request)
    return True


def stages_of(plan: Plan, factories: dict[str, Callable[[], Any]] | None = None) -> list[Stage]:
    """Return the stages of a plan in the order they run."""
    from pipeline.stages.concepts import concepts_stage
    from pipeline.stages.dissect import dissect_stage
    from pipeline.stages.extract import extract_stage
    from pipeline.stages.masks import masks_stage

    return [masks_stage(plan), extract_stage(plan, factories or {}), concepts_stage(plan), dissect_stage(plan)]


def _recorded_plan(run: RunFolder, request: dict[str, Any]) -> Plan | None:
    """Return the recorded plan if the same was asked then and no file changed since."""
    if not run.exists:
        return None
    recorded = run.recorded()
    if recorded["request"] != request or not unchanged(recorded["files"]):
        return None
    return run.plan()


def _new_plan(run: RunFolder, config: AuditConfig) -> Plan:
    from pipeline.planning import Request, make_plan, refuse_full_disk
    from pipeline.stages.extract import stored_bytes

    names = ("anchoring", "geometry", "min_images", "quantile", "mask_size", "unit_image", "top_images", "max_rejects")
    names += ("image_block", "unit_block", "device", "activation_scale")
    options = Options(actors=config.actors or 0, **{name: getattr(config, name) for name in names})
    requests = [Request(model.spec(), config.layers_of(model)) for model in config.models]
    before = run.plan() if run.exists else None
    plan = make_plan(run.path, config.data, requests, options, config.batch_size, before, say)
    if before is None:
        refuse_full_disk(plan, stored_bytes(plan))
    return plan


def _refuse_unready(config: AuditConfig, redo: str | None) -> None:
    if config.anchoring == "receptive_field":
        raise InputError(
            "--anchoring receptive_field needs the geometry of the layers, which is not computed yet; use resize"
        )
    if redo is not None and redo not in STAGES:
        raise InputError(f"--redo {redo}: no such stage; stages are {', '.join(STAGES)}")


def _forget(run: RunFolder, stages: list[Stage], redo: str) -> None:
    for stage in stages[STAGES.index(redo) :]:
        run.ledger.forget(stage.units)


def _files(plan: Plan) -> list[Any]:
    from pipeline.planning import weight_files

    return [*files_of(plan.data), *weight_files(plan)]


def _carry_out(run: RunFolder, plan: Plan) -> None:
    from pipeline.quiet import native_messages_to
    from pipeline.runner import Runner, start_ray
    from pipeline.stages.extract import create_stores
    from pipeline.tables import write_plan_tables

    factories = _factories(plan)
    create_stores(plan)
    write_plan_tables(plan)
    with native_messages_to(run.path / "ray.log"), Progress() as progress:
        progress.note("starting Ray")
        start_ray()
        for stage in stages_of(plan, factories):
            missing = run.ledger.missing(stage.units)
            with progress.stage(stage.name, len(stage.units), len(missing)) as advance:
                Runner(run.ledger, _Limit(run, plan, advance)).run(stage)


class _Limit:
    """Passes progress on, and stops the run when too many images were rejected."""

    def __init__(self, run: RunFolder, plan: Plan, advance: Callable[[list[Any]], None]) -> None:
        self._plan, self._advance = plan, advance
        self._rejects: dict[tuple[str, str], int] = {}
        for record in run.ledger.records("extract"):
            _, model, _, block = record["unit"].split("/")
            self._rejects[model, block] = record["rejects"]

    def __call__(self, outputs: list[Any]) -> None:
        self._advance(outputs)
        for output in outputs:
            if output.rejects:
                self._rejects[output.unit.place[0], output.unit.place[-1]] = output.rejects
        worst: dict[str, int] = {}
        for (model, _), count in self._rejects.items():
            worst[model] = worst.get(model, 0) + count
        allowed = self._plan.options.max_rejects * self._plan.images
        for model, count in worst.items():
            if count > allowed:
                raise RunError(
                    f"{count} of {self._plan.images} images could not be decoded for {model}, more than --max-rejects "
                    f'{self._plan.options.max_rejects} allows; `filterscope query RUN "select * from rejects"` says why'
                )


def _factories(plan: Plan) -> dict[str, Callable[[], Any]]:
    """Load the users' factories, and have their code travel to the workers by value."""
    specs = {model.name: model.spec for model in plan.models if model.spec.scheme == "factory"}
    if not specs:
        return {}
    import sys

    from ray import cloudpickle

    from pipeline.models.sources import load_factory

    factories = {name: load_factory(spec) for name, spec in specs.items()}
    for factory in factories.values():
        cloudpickle.register_pickle_by_value(sys.modules[factory.__module__])
    return factories


__all__ = ["STAGES", "audit", "stages_of"]
