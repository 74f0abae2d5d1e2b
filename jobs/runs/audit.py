"""The verb `audit`: plan, run the stages, summarise; a finished run is recognised without opening anything."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filterscope.jobs.config.audit import AuditConfig, settings_of
from filterscope.jobs.runs.progress import Progress
from filterscope.jobs.terminal import say
from filterscope.pipeline.datasets.checks import check_dataset
from filterscope.pipeline.datasets.layout import Dataset, files_of
from filterscope.pipeline.engine.errors import DamagedRecordError, InputError, RunError
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.method import Method, StageKind
from filterscope.pipeline.methods.stages import Stages, all_kinds, with_sources
from filterscope.pipeline.models.names import refuse_unknown
from filterscope.pipeline.models.spec import LIVE
from filterscope.pipeline.run.folder import RunFolder, unchanged
from filterscope.pipeline.run.options import AUTO, RunOptions
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.places import durable, remove_tree

if TYPE_CHECKING:
    from filterscope.pipeline.engine.schedule import Watcher

#: Fewer images than this are told to be few.
FEW = 100

#: Share of the free disk that activations may take before `--store auto` stores none.
_SHARE = 0.5

#: What builds the networks of the user's own, by source.
Factories = Mapping[str, Callable[[], Any]]


def audit(
    config: AuditConfig, *, redo: str | None = None, command: str = "", factories: Factories | None = None
) -> bool:
    """Carry out an audit, or what is missing of it.

    Parameters
    ----------
    config : AuditConfig
        What is asked.
    redo : str, optional
        Stages to recompute, separated by commas, with all that depends on them.
    command : str
        The command line, for the table `runs`.
    factories : mapping of str to callable, optional
        Builders of networks that are there already, by the source that names them.

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
    _refuse_unready(config)
    plan = _recorded_plan(run, request, factories or {})
    if plan and not redo and not run.missing(Stages(plan).all()):
        return False
    for model in config.models:
        refuse_unknown(config.spec_of(model))
    with RunLock(run.path, command, say) as lock:
        if plan is None or redo:
            plan = _new_plan(run, config, factories or {}, anew=redo is not None)
            stages = Stages(plan)
            if redo:
                _forget(run, stages, redo)
            _refuse_changes(run, stages)
            run.record(request, plan, _files(plan))
        else:
            _renew(run, Stages(plan))
        with run.logged(began, command, request):
            _tell_data(run, plan)
            carry_on(run, plan, lock)
    return True


def _recorded_plan(run: RunFolder, request: dict[str, Any], factories: Factories) -> Plan | None:
    """Return the recorded plan if the same was asked then and no file changed since."""
    if not run.exists or any(not source.startswith(f"{LIVE}:") for source in factories):
        return None  # the source of a live network holds the digest of its weights; that of a factory does not
    try:
        recorded, plan = run.recorded(), run.plan()
    except DamagedRecordError as error:
        say(f"{error}: planning anew")
        return None
    if not unchanged(recorded["files"]) or not _same(recorded["request"], request):
        return None
    if not {str(path) for path in files_of(plan.data)} <= recorded["files"].keys():
        check_dataset(Dataset(plan.data), plan.data_identity)  # an earlier version recorded the manifest alone
    live = {model.name: factories[model.spec.source] for model in plan.models if model.spec.source in factories}
    plan = replace(plan, factories=live)
    return plan if not live or _runs_as_recorded(plan) else None


def _runs_as_recorded(plan: Plan) -> bool:
    """Tell whether networks in memory give what they gave: their source tells other weights, and not another forward pass."""
    from filterscope.pipeline.run.planning import runs_as_planned

    return all(runs_as_planned(model, factory) for model in plan.models if (factory := plan.factories.get(model.name)))


def _same(then: dict[str, Any], now: dict[str, Any]) -> bool:
    """Tell whether a recorded request, maybe of an earlier version, asks for the same."""
    try:
        then = AuditConfig.recorded(then).resolved()
    except ValueError:
        return False
    return {**then, "methods": sorted(then["methods"])} == {**now, "methods": sorted(now["methods"])}


def planned(
    config: AuditConfig, before: Plan | None = None, factories: Factories | None = None, *, anew: bool = False
) -> Plan:
    """Open everything an audit needs and return its plan; `before` is the plan that it extends, `anew` settles its scale again.

    Raises
    ------
    InputError
        If something asked for cannot be done.
    """
    from filterscope.pipeline.methods.dissection.options import settle_concepts
    from filterscope.pipeline.methods.extraction.scale import settle_scale
    from filterscope.pipeline.run.planning import Asked, Request, make_plan

    methods, known = registry.chosen(config.methods), factories or {}
    requests = [
        Request(config.spec_of(model), config.layers_of(model), known.get(model.source)) for model in config.models
    ]
    needs = [(method.name, need) for method in methods for need in method.needs()]
    asked = Asked(
        RunFolder(config.out).path,
        config.data,
        requests,
        settings_of(config),
        needs,
        any(method.slow for method in methods),
        config.batch_size,
    )
    plan = settle_concepts(settle_scale(make_plan(asked, before, say), None if anew else before), before)
    return _with_store(plan, before, registry.chosen(config.methods))


def _with_store(plan: Plan, before: Plan | None, methods: Sequence[Method]) -> Plan:
    """Settle where activations go: nowhere if they would take more than a share of the free disk and no method reads them."""
    from filterscope.pipeline.stores.places import free_space

    if plan.options.store != AUTO:
        return plan
    stored, unread = plan.with_options(store="zarr"), all(method.unstored for method in methods)
    if before or not unread:
        kept = before is not None and before.options.store == "none" and unread
        return plan.with_options(store="none") if kept else stored
    most, found = sum(Stages(stored).most_bytes().values()), free_space(plan.run)
    if found is None or most <= _SHARE * found[0]:
        return stored
    untested = " and significance is not tested" if any(method.name == "significance" for method in methods) else ""
    say(
        f"activations may take {most / 1e9:.1f} GB and {found[1]} has {found[0] / 1e9:.1f} GB free: none are stored, the "
        f"networks run twice{untested}; --store zarr stores them all the same"
    )
    return plan.with_options(store="none")


def _new_plan(run: RunFolder, config: AuditConfig, factories: Factories, *, anew: bool) -> Plan:
    # at once: to import what opens networks takes seconds
    say(f"opening {_counted(len(config.models), 'network')} and the data set...")
    from filterscope.pipeline.methods.space import bytes_left
    from filterscope.pipeline.run.planning import refuse_full_disk

    plan = planned(config, _before(run), factories, anew=anew)
    refuse_full_disk(plan, bytes_left(Stages(plan), run.ledger))
    return plan


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _before(run: RunFolder) -> Plan | None:
    """Return the plan that an audit extends; a damaged one is made anew."""
    try:
        return run.plan() if run.exists else None
    except DamagedRecordError:
        return None


def _refuse_unready(config: AuditConfig) -> None:
    for method in registry.chosen(config.methods):
        if config.store == "none" and not method.unstored:
            why = (
                "reads activations, which --store none does not keep"
                if _reads_maps(method, config)
                else "needs --store zarr: it keeps arrays of the size of activations"
            )
            raise InputError(f"--methods {method.name} {why}; drop one of the two")


def _reads_maps(method: Method, config: AuditConfig) -> bool:
    """Tell whether the stages of a method read stored activations, directly or through others."""
    from filterscope.pipeline.methods.extraction.artifacts import MAPS

    options = RunOptions.of({**settings_of(config), "store": "zarr"})
    kinds = all_kinds(options)
    own = with_sources(kinds, (kind.name for kind in method.stages(options)))
    return any(kind.name in own and MAPS in kind.reads for kind in kinds)


def _forget(run: RunFolder, stages: Stages, redo: str) -> None:
    asked, known = redo.split(","), stages.names()
    for name in asked:
        if name not in known:
            raise InputError(f"--redo {name}: no such stage; stages are {', '.join(known)}")
    outdated = stages.dependents(asked)
    for stage in stages.all():
        if stage.name in outdated:
            run.ledger.forget(stage.keys)
    unasked = [name for name in stages.names() if name in outdated - {kind.name for kind in stages.kinds}]
    _remove(run, [stages.kind(name) for name in unasked if run.ledger.holds(name)], redo)


def _remove(run: RunFolder, kinds: Sequence[StageKind], redo: str) -> None:
    """Remove results that come from what is recomputed and that are not asked for now, or they would contradict the rest."""
    tables = [artifact.name for kind in kinds for artifact in kind.writes if isinstance(artifact, Table)]
    if tables:
        say(
            f"--redo {redo}: removing {', '.join(tables)}, which depend on it and are not asked for; audit again to get them"
        )
    for folder in (
        *(run.path / "tables" / name for name in tables),
        *(run.ledger.folder / kind.name for kind in kinds),
    ):
        remove_tree(folder)


def _refuse_changes(run: RunFolder, stages: Stages) -> None:
    """Stop if work was finished under other parameters, and name the stages that no other changed stage leads to."""
    changes = {stage.name: found for stage in stages.all() if (found := run.ledger.changed(stage.keys))}
    if changes:
        roots = [name for name in changes if not any(name in stages.dependents([other]) - {other} for other in changes)]
        key, record = changes[roots[0]]
        raise InputError(
            f"{key.text} was computed with other parameters: {run.ledger.difference(key, record)}. "
            f"Set them back, recompute with --redo {','.join(roots)}, or choose another --out."
        )


def _renew(run: RunFolder, stages: Stages) -> None:
    """Forget what an earlier version computed under another definition, and say so."""
    outdated = [stage for stage in stages.all() if run.ledger.changed(stage.keys)]
    if outdated:
        names = ", ".join(dict.fromkeys(stage.name for stage in outdated))
        say(f"recomputing, since an earlier version of filterscope defined them differently: {names}")
    for stage in outdated:
        run.ledger.forget(stage.keys)


def _files(plan: Plan) -> list[Any]:
    from filterscope.pipeline.run.planning import model_files

    return [*files_of(plan.data), *model_files(plan)]


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
    from filterscope.pipeline.engine.telemetry import Telemetry
    from filterscope.pipeline.methods.extraction.panels import panels
    from filterscope.pipeline.methods.retention import finished_with, readmit
    from filterscope.pipeline.run.tables import write_plan_tables

    plan = _with_factories(plan)
    stages = Stages(plan)
    with durable():
        stages.prepare()
        write_plan_tables(plan)
    readmit(run, stages)
    left = _left(run, stages)
    if any(missing for _, _, missing in left):
        check_dataset(Dataset(plan.data), plan.data_identity)
    _tell_costs(plan, {name for name, _, missing in left if missing})
    with Journal(run.path) as journal, native_messages_to(run.path / "ray.log"), Progress(left) as progress:
        runner: Runner = LocalRunner(run.ledger)
        watchers: list[Watcher] = [progress, journal]
        if plan.options.actors:
            start_ray(tell=say)
            runner = Runner(run.ledger)
            watchers.append(Telemetry(run.path.name, {name: missing for name, _, missing in left}))
        Schedule(runner, _Limit(run, stages, watchers, lock)).run(
            before=stages.before(),
            forward=stages.forward(),
            analyses=stages.analyses,
            finished=lambda model: finished_with(plan.only(model)),
            together=panels(plan).__getitem__,
            jointly=not plan.options.stored,
        )


def _left(run: RunFolder, stages: Stages) -> list[tuple[str, int, int]]:
    """Return name, tasks and missing tasks of every stage; a stage that works in rounds counts once."""
    counts: dict[str, tuple[int, int]] = {}
    for stage in stages.all():
        total, missing = counts.get(stage.name, (0, 0))
        counts[stage.name] = total + len(stage.keys), missing + run.ledger.count_missing(stage.keys)
    return [(name, total, missing) for name, (total, missing) in counts.items()]


def _tell_data(run: RunFolder, plan: Plan) -> None:
    from filterscope.pipeline.datasets.depth import depth_note
    from filterscope.pipeline.datasets.sequences import sequence_note
    from filterscope.pipeline.engine.quiet import native_messages_to

    with native_messages_to(run.path / "ray.log"):
        notes = sequence_note(Dataset(plan.data)), depth_note(Dataset(plan.data))
    for note in filter(None, (*notes, _few_note(plan))):
        say(note)


def _few_note(plan: Plan) -> str | None:
    """Say what to expect of labels from few images."""
    images, labels = plan.views.image_count, any(kind.name == "dissect" for kind in Stages(plan).kinds)
    if images >= FEW or not labels:
        return None
    return (
        f"note: {images} images are few: only concepts in --min-images {plan.of(DissectionOptions).min_images} of them or more "
        "can label a unit, and a lower number lets in labels that rest on almost nothing; some hundreds of images tell more"
    )


def _tell_costs(plan: Plan, missing: set[str]) -> None:
    for method in registry.chosen(plan.options.methods):
        if method.told and missing & {kind.name for kind in method.stages(plan.options)}:
            for line in method.told(plan):
                say(line)


class _Limit:
    """Passes on what happens, and stops the run when too many images were rejected or another process has taken it over."""

    def __init__(self, run: RunFolder, stages: Stages, watchers: "Sequence[Watcher]", lock: RunLock) -> None:
        self._plan, self._watchers, self._lock = stages.plan, watchers, lock
        self._images = stages.plan.views.image_count
        self._rejects: dict[tuple[str, str], int] = {}
        self._forward = {kind.name for kind in stages.kinds if kind.forward}
        for record in (record for name in self._forward for record in run.ledger.records(name) if record["rejects"]):
            _, model, _, block = record["key"].split("/")
            self._rejects[model, block] = record["rejects"]

    def begin(self, name: str) -> None:
        """Pass on that a stage begins."""
        for watcher in self._watchers:
            watcher.begin(name)

    def advance(self, outputs: Sequence[Output]) -> None:
        """Pass on what is done, and count its rejects."""
        if self._lock.lost:
            raise RunError("another process took this run over, since this one was silent for half a minute")
        for watcher in self._watchers:
            watcher.advance(outputs)
        for output in outputs:
            if output.rejects:
                self._rejects[output.key.place[0], output.key.place[-1]] = output.rejects
                self._check(output.key.place[0])

    def _check(self, model: str) -> None:
        count = sum(rejects for (name, _), rejects in self._rejects.items() if name == model)
        if count > self._plan.options.max_rejects * self._images:
            raise RunError(
                f"{count} of {self._images} images could not be decoded for {model}, more than --max-rejects "
                f'{self._plan.options.max_rejects} allows; `filterscope query RUN "select * from rejects"` says why'
            )


def _with_factories(plan: Plan) -> Plan:
    """Load the users' factories, and have their code travel to the workers by value."""
    own = [model for model in plan.models if model.spec.scheme == "factory" and model.name not in plan.factories]
    if not own:
        return plan
    from filterscope.pipeline.models.sources import load_factory

    factories = {model.name: load_factory(model.spec) for model in own}
    if plan.options.actors:
        import sys

        from ray import cloudpickle

        for factory in factories.values():
            cloudpickle.register_pickle_by_value(sys.modules[factory.__module__])
    return replace(plan, factories={**plan.factories, **factories})


__all__ = ["audit", "carry_on", "planned"]
