"""The verb `apply`: take what a person decided of nodes and find the part with those that are left."""

from pathlib import Path

import polars as pl

from filterscope.jobs.findings.localize import localize, refuse_unfinished
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.engine.runner import LocalRunner
from filterscope.pipeline.methods.graph.part_views import landmarks_of
from filterscope.pipeline.methods.localize.edits import MOST_DRAWS, Asked, keep_edits, read_edits
from filterscope.pipeline.methods.localize.findings import edit_verdict, edits_of
from filterscope.pipeline.methods.localize.options import SHOTS
from filterscope.pipeline.methods.localize.retrieved import Retrieved
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Share of the nodes that a template retrieves for a person to look at.
SHARE = 0.01


def asked_of(
    plan: Plan, part: str, *, category: str | None = None, model: str | None = None, layers: str | None = None,
    shots: int = SHOTS, share: float = SHARE, draw: int = 0,
) -> Asked:  # fmt: skip
    """Return the question that options name, where they leave one.

    Raises
    ------
    InputError
        If the run has no finished graph, what is named is not in it, or several models or categories are left.
    """
    refuse_unfinished(plan)
    _refuse_numbers(shots, share, draw)
    planned, named, used = resolved(plan, part, category, model, layers)
    return Asked(planned.name, named, part, used, shots, float(share), draw)


def resolved(
    plan: Plan, part: str, category: str | None, model: str | None, layers: str | None
) -> tuple[PlannedModel, str, str]:
    """Return the model, the category and the layers, from the top, that options name, where they leave one.

    Raises
    ------
    InputError
        If what is named is not in the run, or several models or categories are left.
    """
    from filterscope.pipeline.methods.graph.crops import graph_categories, graph_layers

    planned = plan.model(_the("model", model, [one.name for one in plan.models]))
    every = graph_categories(plan)
    if category is not None:
        _the("category", category, every)
    parts = {name: landmarks_of(plan, planned, name) for name in every if category in (None, name)}
    having = [name for name, own in parts.items() if part in own]
    if not having:
        there = sorted({name for own in parts.values() for name in own})
        raise InputError(f"--part {part}: no crop has it; parts are {', '.join(there)}.{did_you_mean(part, there)}")
    known = [layer.name for layer in graph_layers(planned)]
    wanted = [_the("layers", name.strip(), known) for name in layers.split(",")] if layers else known
    return planned, _the("category", category, having), ",".join(name for name in known if name in wanted)


def _refuse_numbers(shots: int, share: float, draw: int) -> None:
    if not 1 <= shots <= 1_000_000:
        raise InputError(f"--shots {shots}: at least 1 annotated image, at most 1,000,000")
    if not 0 < share <= 1:
        raise InputError(f"--share {share:g}: a share of the nodes, above 0 and at most 1")
    if not 0 <= draw <= MOST_DRAWS:
        raise InputError(f"--draw {draw}: the number of a set of annotated images, from 0 to {MOST_DRAWS:,}")


def _the(option: str, name: str | None, known: list[str]) -> str:
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        raise InputError(f"--{option}: name one of {', '.join(known)}")
    if name not in known:
        raise InputError(f"--{option} {name}: the run has {', '.join(known)}.{did_you_mean(name, known)}")
    return name


def apply(run: str | Path, file: str | Path) -> pl.DataFrame:
    """Keep the decisions of a file and find the part before and after, or read what was found.

    Where the run has not localised parts yet, this part is localised too, so that baselines stand beside.

    Returns
    -------
    polars.DataFrame
        Rows of `edited_localization` for the file's question.

    Raises
    ------
    InputError
        If the file is not one of `filterscope edit` about this run.
    """
    edits = read_edits(Path(file))
    folder = RunFolder.existing(run)
    plan = folder.plan()
    refuse_unfinished(plan)
    _the("model", edits.model, [one.name for one in plan.models])
    asked = asked_of(
        plan, edits.part, category=edits.category, model=edits.model, layers=edits.layers, shots=edits.shots,
        share=edits.share, draw=edits.draw,
    )  # fmt: skip
    planned = plan.model(asked.model)
    edits.refuse_others(
        Path(file), asked.fingerprint(plan, planned, Stages(plan).prints), shown_nodes(plan, planned, asked)
    )
    if "localize" not in plan.options.methods:
        localize(run, asked.part, shots=asked.shots, category=asked.category, model=asked.model, layers=asked.layers)
    with RunLock(folder.path, "apply"):
        keep_edits(folder.path, edits)
        _found(folder)
    return edits_of(folder.path, asked)


def shown_nodes(plan: Plan, model: PlannedModel, asked: Asked) -> list[str]:
    """Return the nodes that a page shows."""
    retrieved = Retrieved.of(plan, model, asked)
    return [retrieved.names[node] for node in retrieved.nodes]


def _found(folder: RunFolder) -> None:
    """Compute what is missing of all that decisions are kept of."""
    stages = Stages(folder.plan())
    kind = stages.kind("edit")
    (stage,) = kind.plan(kind, folder.plan(), stages.prints)
    folder.ledger.forget(key for key in stage.keys if folder.ledger.changed([key]))
    LocalRunner(folder.ledger).run(stage)


def edits_report(found: pl.DataFrame) -> str:
    """Return as text what removing nodes did to the error, beside the controls."""
    from filterscope.jobs.findings.query import as_table

    last = found.filter(pl.col("decisions").is_null() | (pl.col("decisions") == pl.col("decisions").max()))
    columns = [pl.format("{} [{}, {}]", *(pl.col(f"{name}{end}").round(3) for end in ("", "_low", "_high"))).alias(name)
               for name in ("distance", "less")]  # fmt: skip
    return f"{as_table(last.select('method', 'nodes', 'removed', *columns))}\n{edit_verdict(found)}"


__all__ = ["SHARE", "apply", "asked_of", "edits_report", "resolved", "shown_nodes"]
