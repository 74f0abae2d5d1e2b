"""The verb `audit`: plan, run the stages, summarise; a finished run is recognised without opening anything."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filterscope.jobs.config.audit import AuditConfig
from filterscope.jobs.runs.progress import Progress, say
from filterscope.jobs.runs.stages import (
    METRICS,
    METRICS_UNSTORED,
    READ_MAPS,
    STAGES,
    analyses,
    before_extract,
    dependents,
    extract,
    stages_of,
)
from filterscope.pipeline.datasets.layout import files_of
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.engine.stage import Output, Stage, Unit
from filterscope.pipeline.methods.receptive_field.costs import costs
from filterscope.pipeline.run.folder import RunFolder, unchanged
from filterscope.pipeline.run.plan import Options, Plan

if TYPE_CHECKING:
    from filterscope.pipeline.engine.schedule import Watcher


def audit(config: AuditConfig, *, redo: str | None = None, command: str = "") -> bool:
    """Carry out an audit, or what is missing of it.

    Parameters
    ----------
    config : AuditConfig
        What is asked.
    redo : str, optional
        Stages to recompute, separated by commas, with all that depends on them.
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
    with RunLock(run.path, command) as lock:
        if plan is None or redo:
            plan = _new_plan(run, config)
            stages = stages_of(plan)
            if redo:
                _forget(run, stages, redo)
            _refuse_changes(run, stages)
            run.record(request, plan, _files(plan))
        outcome = "failed"
        try:
            carry_on(run, plan, lock)
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            run.log(began, outcome, command, request)
    return True


def _recorded_plan(run: RunFolder, request: dict[str, Any]) -> Plan | None:
    """Return the recorded plan if the same was asked then and no file changed since."""
    if not run.exists:
        return None
    recorded = run.recorded()
    if recorded["request"] != request or not unchanged(recorded["files"]):
        return None
    return run.plan()


def planned(config: AuditConfig, before: Plan | None = None) -> Plan:
    """Open everything an audit needs and return its plan; `before` is the plan that it extends.

    Raises
    ------
    InputError
        If something asked for cannot be done.
    """
    from filterscope.pipeline.run.planning import Request, make_plan

    names = (
        "anchoring",
        "mask_mode",
        "geometry",
        "min_images",
        "quantile",
        "mask_size",
        "unit_image",
        "top_images",
        "max_rejects",
    )
    names += ("image_block", "unit_block", "actors", "device", "activation_scale", "views", "flips", "negatives")
    names += ("metrics", "keep_activations", "store")
    names += ("location_protocol", "occluder", "occluder_step", "field_images", "field_units", "units")
    names += ("graph_mode", "graph_iterations", "graph_heldout")
    options = Options(**{name: getattr(config, name) for name in names})
    requests = [Request(config.spec_of(model), config.layers_of(model)) for model in config.models]
    return make_plan(RunFolder(config.out).path, config.data, requests, options, config.batch_size, before, say)


def _new_plan(run: RunFolder, config: AuditConfig) -> Plan:
    from filterscope.pipeline.methods.extraction.extract import stored_bytes
    from filterscope.pipeline.methods.patterns.local_features import features_bytes
    from filterscope.pipeline.run.planning import refuse_full_disk

    before = run.plan() if run.exists else None
    plan = planned(config, before)
    if before is None:
        stages = {stage for metric in config.metrics for stage in METRICS[metric]}
        refuse_full_disk(plan, stored_bytes(plan) + ("local-features" in stages) * features_bytes(plan))
    return plan


def _refuse_unready(config: AuditConfig, redo: str | None) -> None:
    unready = [metric for metric in config.metrics if metric not in METRICS]
    if unready:
        raise InputError(f"--metrics {unready[0]} is not in this version; metrics are: {', '.join(METRICS)}")
    lacking = [metric for metric in config.metrics if config.store == "none" and metric not in METRICS_UNSTORED]
    if lacking:
        raise InputError(
            f"--metrics {lacking[0]} reads activations, which --store none does not keep; drop one of the two"
        )
    for name in redo.split(",") if redo is not None else ():
        if name not in STAGES:
            raise InputError(f"--redo {name}: no such stage; stages are {', '.join(STAGES)}")


def _forget(run: RunFolder, stages: list[Stage], redo: str) -> None:
    outdated = {name for asked in redo.split(",") for name in dependents(asked)}
    for stage in stages:
        if stage.name in outdated:
            run.ledger.forget(stage.units)


def _refuse_changes(run: RunFolder, stages: list[Stage]) -> None:
    """Stop if a unit was finished under other parameters, and name the stages that no other changed stage leads to."""
    changes = {stage.name: found for stage in stages if (found := run.ledger.changed(stage.units))}
    if changes:
        roots = [name for name in changes if not any(name in dependents(other) - {other} for other in changes)]
        unit, record = changes[roots[0]]
        raise InputError(
            f"{unit.key} was computed with other parameters: {run.ledger.difference(unit, record)}. "
            f"Set them back, recompute with --redo {','.join(roots)}, or choose another --out."
        )


def _files(plan: Plan) -> list[Any]:
    from filterscope.pipeline.run.planning import weight_files

    return [*files_of(plan.data), *weight_files(plan)]


def carry_on(run: RunFolder, plan: Plan, lock: RunLock) -> None:
    """Compute what is missing of a plan.

    Raises
    ------
    RunError
        If the run stopped with its finished work saved.
    """
    from filterscope.pipeline.engine.journal import Journal
    from filterscope.pipeline.engine.quiet import native_messages_to
    from filterscope.pipeline.engine.runner import LocalRunner, Runner, start_ray
    from filterscope.pipeline.engine.schedule import Schedule
    from filterscope.pipeline.engine.telemetry import RunMetrics
    from filterscope.pipeline.methods.extraction.extract import create_stores, remove_activations
    from filterscope.pipeline.methods.extraction.passes import remove_passes
    from filterscope.pipeline.run.tables import write_plan_tables

    factories = _factories(plan)
    create_stores(plan)
    write_plan_tables(plan)
    if plan.options.stored:
        _extract_again(run, plan)
        finished = (lambda part: None) if plan.options.keep_activations else remove_activations
    else:
        _pass_again(run, plan)
        finished = remove_passes
    left = _left(run, plan)
    for line in costs(plan, {name for name, _, missing in left if missing}):
        say(line)
    with Journal(run.path) as journal, native_messages_to(run.path / "ray.log"), Progress(left) as progress:
        runner, watchers = LocalRunner(run.ledger), [progress, journal]
        if plan.options.actors:
            start_ray()
            runner = Runner(run.ledger)
            watchers.append(RunMetrics(run.path.name, {name: missing for name, _, missing in left}))
        Schedule(runner, _Limit(run, plan, watchers, lock)).run(
            plan,
            before=before_extract(plan),
            extract=extract(plan, factories),
            analyses=analyses(plan, factories),
            finished=finished,
        )


def _left(run: RunFolder, plan: Plan) -> list[tuple[str, int, int]]:
    """Return name, units and missing units of every stage; a stage that runs layer by layer counts once."""
    units: dict[str, list[Unit]] = {}
    for stage in stages_of(plan):
        units.setdefault(stage.name, []).extend(stage.units)
    return [(name, len(found), len(run.ledger.missing(found))) for name, found in units.items()]


def _extract_again(run: RunFolder, plan: Plan) -> None:
    """Have activations computed again that were removed and that a stage now reads as maps."""
    from filterscope.pipeline.stores.activations import ActivationStore

    needed = {
        unit.place[:2]
        for stage in analyses(plan)(plan)
        if stage.name in READ_MAPS
        for unit in run.ledger.missing(stage.units)
    }
    for model in plan.models:
        for layer in model.layers:
            store = ActivationStore(plan.run, model.name, layer.name)
            if store.removed and (model.name, layer.name) in needed:
                run.ledger.forget(u for u in extract(plan).units if u.place[:2] == (model.name, layer.name))
                store.readmit()


def _pass_again(run: RunFolder, plan: Plan) -> None:
    """Have the forward passes made again over layers whose findings are missing and whose tallies were removed."""
    from filterscope.pipeline.methods.extraction.passes import passes_removed

    stages = stages_of(plan)
    needed = {unit.place[:2] for stage in stages if stage.name == "dissect" for unit in run.ledger.missing(stage.units)}
    lost = {place for place in needed if passes_removed(plan, *place)}
    for stage in stages:
        if stage.name in ("histograms", "thresholds", "tallies"):
            run.ledger.forget(unit for unit in stage.units if unit.place[:2] in lost)


class _Limit:
    """Passes on what happens, and stops the run when too many images were rejected or another process has taken it over."""

    def __init__(self, run: RunFolder, plan: Plan, watchers: Sequence["Watcher"], lock: RunLock) -> None:
        self._plan, self._watchers, self._lock = plan, watchers, lock
        self._rejects: dict[tuple[str, str], int] = {}
        for record in run.ledger.records(extract(plan).name):
            _, model, _, block = record["unit"].split("/")
            self._rejects[model, block] = record["rejects"]

    def begin(self, name: str) -> None:
        """Pass on that a stage begins."""
        for watcher in self._watchers:
            watcher.begin(name)

    def advance(self, outputs: Sequence[Output]) -> None:
        """Pass on what is done, and count its rejects."""
        if self._lock.lost:
            raise RunError("another process took this run over, since this one was not heard of for half a minute")
        for watcher in self._watchers:
            watcher.advance(outputs)
        for output in outputs:
            if output.rejects:
                self._rejects[output.unit.place[0], output.unit.place[-1]] = output.rejects
                self._check(output.unit.place[0])

    def _check(self, model: str) -> None:
        count = sum(rejects for (name, _), rejects in self._rejects.items() if name == model)
        if count > self._plan.options.max_rejects * self._plan.images:
            raise RunError(
                f"{count} of {self._plan.images} images could not be decoded for {model}, more than --max-rejects "
                f'{self._plan.options.max_rejects} allows; `filterscope query RUN "select * from rejects"` says why'
            )


def _factories(plan: Plan) -> dict[str, Callable[[], Any]]:
    """Load the users' factories, and have their code travel to the workers by value."""
    specs = {model.name: model.spec for model in plan.models if model.spec.scheme == "factory"}
    if not specs:
        return {}
    from filterscope.pipeline.models.sources import load_factory

    factories = {name: load_factory(spec) for name, spec in specs.items()}
    if plan.options.actors:
        import sys

        from ray import cloudpickle

        for factory in factories.values():
            cloudpickle.register_pickle_by_value(sys.modules[factory.__module__])
    return factories


__all__ = ["audit", "carry_on", "planned"]
