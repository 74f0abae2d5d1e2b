"""Tables that say what a run is about, written as soon as it is planned."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.tables import table_path, write_table
from filterscope.schemas.results import TABLES


def write_plan_tables(plan: Plan) -> None:
    """Write the tables `views`, `models` and `layers`, one part per model."""
    write_views(plan)
    for table, place, rows in model_tables(plan):
        write_table(plan.run, table, place, [rows])


def model_tables(plan: Plan) -> Iterator[tuple[str, tuple[str, str], pa.Table]]:
    """Yield the parts of the tables `models` and `layers`, with their places."""
    for model in plan.models:
        height, width = model.transform.input_size
        row = {
            "model": model.name,
            "source": model.spec.source,
            "basis": model.spec.basis or "native",
            "architecture": model.architecture,
            "weights_sha256": model.weights_sha256,
            "transform_hash": model.transform.hash,
            "input_height": height,
            "input_width": width,
            "parameters": model.parameters,
        }
        yield "models", (model.name, "model"), _table("models", [row])
        layers = [
            {
                "model": model.name,
                "layer": layer.name,
                "type": layer.type,
                "channels": layer.channels,
                "height": layer.height,
                "width": layer.width,
                "layout": layer.layout,
                **_field_columns(layer),
            }
            for layer in model.layers
        ]
        yield "layers", (model.name, "layers"), _table("layers", layers)


def view_tables(plan: Plan) -> Iterator[tuple[str, tuple[str], pa.Table]]:
    """Yield the table `views`; its data set must be at hand."""
    yield "views", ("views",), pa.concat_tables([_as_table(piece) for piece in plan.views.tables()])


def _as_table(piece: pa.RecordBatch | pa.Table) -> pa.Table:
    return pa.Table.from_batches([piece]) if isinstance(piece, pa.RecordBatch) else piece


def plan_table_paths(plan: Plan) -> list[Path]:
    """Return the files that `write_plan_tables` leaves for every run: those of `rejects` depend on the views."""
    parts: list[tuple[str, tuple[str, ...]]] = [("views", ("views",))]
    for model in plan.models:
        parts += [("models", (model.name, "model")), ("layers", (model.name, "layers"))]
    return [table_path(plan.run, table, place) for table, place in parts]


def _field_columns(layer: Layer) -> dict[str, object]:
    if layer.field is None:
        return {"no_field": layer.no_field}
    field = layer.field
    return {
        "stride": max(field.stride),
        "receptive_field": max(field.size),
        "field_height": field.size[0],
        "field_width": field.size[1],
        "centre_y": field.centre[0],
        "centre_x": field.centre[1],
        "through_global": field.through_global,
    }


def write_views(plan: Plan) -> None:
    """Write the table `views`, and the objects that give none into `rejects`."""
    views = plan.views
    write_table(plan.run, "views", ("views",), views.tables())
    rows = [{"stage": "views", "item": item, "reason": reason} for item, reason in views.dropped]
    if rows:
        write_table(plan.run, "rejects", ("views",), [_table("rejects", rows)])


def _table(name: str, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES[name])
