"""Tables that say what a run is about, written as soon as it is planned."""

import pyarrow as pa

from pipeline.plan import Plan
from pipeline.stores import write_table
from schemas.results import TABLES


def write_plan_tables(plan: Plan) -> None:
    """Write the tables `models` and `layers`, one part a model."""
    for model in plan.models:
        height, width = model.transform.input_size
        row = {
            "model": model.name,
            "source": model.spec.source,
            "architecture": model.architecture,
            "weights_sha256": model.weights_sha256,
            "transform_hash": model.transform.hash,
            "input_height": height,
            "input_width": width,
            "parameters": model.parameters,
        }
        write_table(plan.run, "models", (model.name, "model"), [_table("models", [row])])
        layers = [
            {
                "model": model.name,
                "layer": layer.name,
                "type": layer.type,
                "channels": layer.channels,
                "height": layer.height,
                "width": layer.width,
            }
            for layer in model.layers
        ]
        write_table(plan.run, "layers", (model.name, "layers"), [_table("layers", layers)])


def _table(name: str, rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES[name])
