"""The verb `localize`: find a part on held-out images from a few annotated ones, in a run that has explanatory graphs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.engine.runner import LocalRunner
from filterscope.pipeline.methods.localize.asked import categories_asked, layers_asked, models_asked, refuse_few
from filterscope.pipeline.methods.localize.findings import title_of, verdict_of
from filterscope.pipeline.methods.localize.options import DRAWS, MOST, SHARES, SHOTS, LocalizeOptions
from filterscope.pipeline.methods.localize.part_views import PartViews, refuse_removed
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import readable
from filterscope.pipeline.stores.tables import table_path

_TABLE = "part_localization"


def localize(
    run: str | Path,
    part: str,
    *,
    shots: int = SHOTS,
    shares: Sequence[float] = SHARES,
    most: int = MOST,
    draws: int = DRAWS,
    category: str | None = None,
    model: str | None = None,
    layers: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Localise a part with every method, or read how it was localised, and return the rows of `part_localization`.

    The method becomes part of the run, so that `status` and `doctor` know its results; those for other parts stay.

    Parameters
    ----------
    run : path
        A run with explanatory graphs.
    part : str
        Landmark to find.
    shots : int
        Annotated images, drawn among those that the graph was learned from.
    shares : sequence of float
        Shares of the nodes that are retrieved for a template.
    most : int
        Nodes of a template, at most.
    draws : int
        Random sets of annotated images.
    category, model : str, optional
        By default all that the run has.
    layers : sequence of str, optional
        Layers whose nodes and filters are used; by default all that have a graph.

    Raises
    ------
    InputError
        If the run has no finished graph, the category, model, layer or part is not in it, or there are too few images.
    RunError
        If computing failed, or a result of earlier is missing.
    """
    _refuse_numbers(shots, shares, most, draws)
    folder = RunFolder.existing(run)
    given = (part, shots, tuple(shares), most, draws, category, model, None if layers is None else tuple(layers))
    asked = dict(zip(LocalizeOptions.flat_names().values(), given, strict=True))
    with RunLock(folder.path, "localize"):
        return _localized(folder, asked)


def _localized(folder: RunFolder, asked: dict[str, Any]) -> pl.DataFrame:
    """Record what is asked, compute what is missing of it and read all of it."""
    before = folder.plan()
    _refuse_unfinished(before)
    plan = before.with_options(methods=tuple(dict.fromkeys([*before.options.methods, "localize"])), **asked)
    _refuse(plan)
    stages = Stages(plan)
    kind = stages.kind("localize")
    (stage,) = kind.plan(kind, plan, stages.prints)
    if folder.missing([stage]):
        _refuse_removed(plan)
    if plan.as_dict() != before.as_dict():
        folder.extend(plan)
    # what was computed with other shares or draws, or of another graph, lies at the same place
    folder.ledger.forget(key for key in stage.keys if folder.ledger.changed([key]))
    LocalRunner(folder.ledger).run(stage)
    return pl.concat(_rows(folder, key.place) for key in stage.keys)


def _rows(folder: RunFolder, place: tuple[str, ...]) -> pl.DataFrame:
    path = table_path(folder.path, _TABLE, place)
    try:
        return pl.DataFrame(pq.read_table(readable(path), partitioning=None))
    except FileNotFoundError:
        raise RunError(f"{path} is missing; `filterscope doctor {folder.path} --repair` computes it again") from None


def _refuse_unfinished(plan: Plan) -> None:
    """Stop where a run has no graph, it is not finished, or its data set is not that of then."""
    from filterscope.pipeline.datasets.layout import Dataset

    folder, stages = RunFolder(plan.run), Stages(plan)
    if "graph" not in {kind.name for kind in stages.kinds}:
        raise InputError(f"{plan.run} has no explanatory graph; `filterscope graph` learns one")
    kind = stages.kind("graph")
    left = folder.missing(kind.plan(kind, plan, stages.prints))
    if left:
        raise InputError(
            f"the graph of {plan.run} is not finished ({left} pieces of work are left); resume its command first"
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


def _refuse_numbers(shots: int, shares: Sequence[float], most: int, draws: int) -> None:
    if shots < 1 or most < 1 or draws < 1:
        raise InputError(f"--shots {shots} --most {most} --draws {draws}: each must be 1 or more")
    if not shares or not all(0 < share <= 1 for share in shares):
        raise InputError(f"--share {','.join(map(str, shares))}: shares of the nodes lie above 0 and up to 1")


def localization_report(found: pl.DataFrame) -> str:
    """Return as text the table of `localize`, and what the nodes gain over the best baseline or lack."""
    from filterscope.jobs.findings.query import as_table

    measures = [name for name in ("distance", "detected", "inside") if found[name].is_not_null().any()]
    columns = [pl.format("{} [{}, {}]", *(pl.col(f"{name}{end}").round(3) for end in ("", "_low", "_high"))).alias(name)
               for name in measures]  # fmt: skip
    pieces = []
    for _, rows in found.group_by("model", "category", "part", "shots", maintain_order=True):
        pieces += [title_of(rows), as_table(rows.select("method", "share", "nodes", *columns))]
        if no_box := rows["no_box"][0]:
            pieces.append(f"boxes are not measured: {no_box}\n")
        pieces.append(verdict_of(rows))
    return "\n".join(pieces)


__all__ = ["localization_report", "localize"]
