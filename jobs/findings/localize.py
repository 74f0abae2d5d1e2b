"""The verb `localize`: find a part on held-out images from a few annotated ones, in a run that has explanatory graphs."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from pydantic import ValidationError

from filterscope.jobs.config.problems import problem
from filterscope.pipeline.engine.errors import InputError, RunError, did_you_mean
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.engine.runner import LocalRunner
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.graph.crops import refuse_without_graph
from filterscope.pipeline.methods.graph.part_views import PartViews, refuse_removed
from filterscope.pipeline.methods.localize.asked import categories_asked, layers_asked, models_asked, refuse_few
from filterscope.pipeline.methods.localize.findings import title_of, verdict_of
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import readable
from filterscope.pipeline.stores.tables import table_path

#: How parts are found: a method of the audit, whose last stage has its name, and the table of what it found.
_METHODS = {"nodes": ("localize", "part_localization"), "and-or": ("and-or", "aog_summary")}


def localize(run: str | Path, part: str, *, method: str = "nodes", **options: Any) -> pl.DataFrame:
    """Localise a part, or read how it was localised, and return the rows of `part_localization` or `aog_summary`.

    The method becomes part of the run, so that `status` and `doctor` know its results; those for other parts stay.

    Parameters
    ----------
    run : path
        A run with explanatory graphs; for And-Or graphs, a run of object crops whose activations were kept.
    part : str
        Landmark to find.
    method : {"nodes", "and-or"}
        With nodes of explanatory graphs, or with And-Or graphs of units; baselines stand beside either.
    **options
        The other fields of `LocalizeOptions`: shots, shares, most, draws, category, model, layers.

    Raises
    ------
    InputError
        If an option is wrong, the run has no finished graph, the category, model, layer or part is not in it, or there are
        too few images.
    RunError
        If computing failed, or a result of earlier is missing.
    """
    asked = _checked(part=part, **options)
    if method not in _METHODS:
        hint = did_you_mean(method, _METHODS)
        raise InputError(f"--method {method}: parts are found by {' or '.join(_METHODS)}.{hint}")
    folder = RunFolder.existing(run)
    with RunLock(folder.path, "localize"):
        flat = {flat: getattr(asked, name) for name, flat in asked.flat_names().items()}
        return _localized(folder, flat, *_METHODS[method])


def _checked(**options: Any) -> LocalizeOptions:
    fields = LocalizeOptions.model_fields
    for name in options:
        if name not in fields:
            hint = did_you_mean(name, fields) or f" Options are: {', '.join(fields)}."
            raise InputError(f"unknown option {name!r} of localize.{hint}")
    try:
        return LocalizeOptions(**options)
    except ValidationError as error:
        # a number of a list is named as the list
        details = [detail | {"loc": detail["loc"][:1]} for detail in error.errors()]
        raise InputError(
            "\n".join(problem(detail, {name: f"--{name}" for name in fields}) for detail in details)
        ) from None


def _localized(folder: RunFolder, asked: dict[str, Any], method: str, table: str) -> pl.DataFrame:
    """Record what is asked, compute what is missing of it and read all of it."""
    before = folder.plan()
    refuse_unfinished(before, method)
    plan = before.with_options(methods=tuple(dict.fromkeys([*before.options.methods, method])), **asked)
    _refuse(plan)
    planned = Stages(plan)
    own = {kind.name for kind in registry.method(method).stages(plan.options)}
    stages = [stage for stage in planned.all() if stage.name in own]
    if folder.missing(stages):
        _refuse_removed(plan)
    if plan.as_dict() != before.as_dict():
        folder.extend(plan)
    for stage in stages:
        # what was computed with other shares or draws, or of another graph, lies at the same place
        folder.ledger.forget(key for key in stage.keys if folder.ledger.changed([key]))
        LocalRunner(folder.ledger).run(stage)
    found = [key for stage in stages if stage.name == method for key in stage.keys]
    return pl.concat(_rows(folder, table, key.place) for key in found)


def _rows(folder: RunFolder, table: str, place: tuple[str, ...]) -> pl.DataFrame:
    path = table_path(folder.path, table, place)
    try:
        return pl.DataFrame(pq.read_table(readable(path), partitioning=None))
    except FileNotFoundError:
        raise RunError(f"{path} is missing; `filterscope doctor {folder.path} --repair` computes it again") from None


def refuse_unfinished(plan: Plan, method: str = "localize") -> None:
    """Stop where a run lacks what a method reads, it is not finished, or its data set is not that of then."""
    from filterscope.pipeline.datasets.layout import Dataset

    folder, stages = RunFolder(plan.run), Stages(plan)
    if method == "and-or":
        refuse_without_graph(plan, method)
        needed = {kind.name for kind in stages.kinds if kind.forward}
        what = "activations"
    else:
        needed, what = {"graph"}, "graph"
    if not needed & {kind.name for kind in stages.kinds}:
        raise InputError(f"{plan.run} has no explanatory graph; `filterscope graph` learns one")
    left = folder.missing([stage for stage in stages.all() if stage.name in needed])
    if left:
        raise InputError(
            f"the {what} of {plan.run} {'are' if what == 'activations' else 'is'} not finished "
            f"({left} pieces of work are left); resume its command first"
        )
    if Dataset.open(plan.data, need="landmarks").identity != plan.data_identity:
        raise InputError(f"the data set {plan.data} is not the one that {plan.run} was made from; make the run anew")


def _refuse(plan: Plan) -> None:
    """Stop where something asked for is not in a run, or too few images show it."""
    asked = plan.of(LocalizeOptions)
    for model in models_asked(plan):
        layers_asked(model, asked)
        for category in categories_asked(plan, model):
            refuse_few(PartViews.of(plan, model, category, str(asked.part), extracted=True), asked.shots)


def _refuse_removed(plan: Plan) -> None:
    for model in models_asked(plan):
        refuse_removed(plan, model, layers_asked(model, plan.of(LocalizeOptions)))


def localization_report(found: pl.DataFrame) -> str:
    """Return as text the table of `localize`, and what is gained over the best baseline or lost."""
    from filterscope.jobs.findings.query import as_table

    measures = [name for name in ("distance", "detected", "inside") if found[name].is_not_null().any()]
    columns = [pl.format("{} [{}, {}]", *(pl.col(f"{name}{end}").round(3) for end in ("", "_low", "_high"))).alias(name)
               for name in measures]  # fmt: skip
    sizes = [name for name in ("share", "nodes", "patterns") if name in found.columns]
    pieces = []
    for _, rows in found.group_by("model", "category", "part", "shots", maintain_order=True):
        pieces += [title_of(rows), as_table(rows.select("method", *sizes, *columns))]
        if no_box := rows["no_box"][0]:
            pieces.append(f"boxes are not measured: {no_box}\n")
        pieces.append(verdict_of(rows))
    return "\n".join(pieces)


__all__ = ["localization_report", "localize", "refuse_unfinished"]
