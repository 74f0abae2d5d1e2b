"""What a person is told of the cost of the expensive stages: projected before they start, measured when they are done."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import path_of


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
    from filterscope.pipeline.methods.receptive_field.occlude import projected_copies

    return [
        f"{name}: receptive-field runs at most {copies:,} occluded copies ({_boxes(plan, name):,} boxes an image, "
        f"{plan.options.field_images} images a unit), {copies / _units(plan, name):,.0f} a unit, "
        f"the cost of extracting {copies / plan.images:,.0f} times"
        for name, copies in projected_copies(plan).items()
    ]


def _units(plan: Plan, name: str) -> int:
    from filterscope.pipeline.methods.receptive_field.occlude import chosen_units

    model = plan.model(name)
    return sum(len(chosen_units(plan, model, layer)) for layer in model.layers)


def _boxes(plan: Plan, name: str) -> int:
    from filterscope.pipeline.methods.receptive_field.occlude import occluders_of

    return len(occluders_of(plan, plan.model(name)).corners)


def field_costs(run: str | Path) -> pl.DataFrame:
    """Return what receptive-field has cost, from the ledger.

    Parameters
    ----------
    run : path
        The run folder.

    Returns
    -------
    polars.DataFrame
        One row a model, sorted: layers and units measured, occluded copies run, seconds that workers took in all, and
        seconds a unit. Empty where nothing was occluded.
    """
    passes: dict[str, set[tuple[str, float, int]]] = {}
    for record in RunFolder(path_of(run)).ledger.records("occlude"):
        _, model, _, part = record["unit"].split("/")
        # layers of a part that were occluded together share their copies and their time
        passes.setdefault(model, set()).add((part, record["seconds"], record["images"]))
    measured = schemas.scan_receptive_fields(run).group_by("model").agg(pl.col("layer").n_unique(), pl.len()).collect()
    rows = []
    for model, layers, units in measured.sort("model").iter_rows():
        seconds = sum(taken for _, taken, _ in passes[model])
        copies = sum(count for *_, count in passes[model])
        rows.append((model, layers, units, copies, seconds, seconds / units))
    names = ("model", "layers", "units", "occluded copies", "worker seconds", "seconds a unit")
    return pl.DataFrame(rows, schema=names, orient="row") if rows else pl.DataFrame()
