"""What a person is told of the cost of the expensive stages: projected before they start, measured when they are done."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.methods.receptive_field.options import ReceptiveFieldOptions
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import path_of


def told(plan: Plan) -> list[str]:
    """Return a line for every model on what its occlusions cost at most."""
    from filterscope.pipeline.methods.receptive_field.occlude import projected_copies

    return [
        f"{name}: receptive-field runs at most {copies:,} occluded copies ({_boxes(plan, name):,} boxes per image, "
        f"{plan.of(ReceptiveFieldOptions).images} images per unit), {copies / _units(plan, name):,.0f} per unit, "
        f"the cost of extracting {copies / plan.view_count:,.0f} times"
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
        One row per model, sorted: layers and units measured, occluded copies run, seconds that workers took in all, and
        seconds per unit. Empty where nothing was occluded.
    """
    passes: dict[str, set[tuple[str, float, int]]] = {}
    for record in RunFolder(path_of(run)).ledger.records("occlude"):
        _, model, _, part = record["key"].split("/")
        # layers of a part that were occluded together share their copies and their time
        passes.setdefault(model, set()).add((part, record["seconds"], record["images"]))
    measured = schemas.scan_receptive_fields(run).group_by("model").agg(pl.col("layer").n_unique(), pl.len()).collect()
    rows = []
    for model, layers, units in measured.sort("model").iter_rows():
        if model not in passes:  # its markers are gone, and with them what it cost
            continue
        seconds = sum(taken for _, taken, _ in passes[model])
        copies = sum(count for *_, count in passes[model])
        rows.append((model, layers, units, copies, seconds, seconds / units))
    names = ("model", "layers", "units", "occluded copies", "worker seconds", "seconds per unit")
    return pl.DataFrame(rows, schema=names, orient="row") if rows else pl.DataFrame()
