"""The verb `layers`: which layers of a network can be audited."""

import json
from typing import Any

from filterscope.jobs.grid import folded, grid
from filterscope.jobs.terminal import answer, say, show
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.spec import ModelSpec


def print_layers(spec: ModelSpec, format: str = "table") -> None:  # noqa: A002
    """Open a network and print every module with a 4-D output, in order of execution, in a format of `query.FORMATS`.

    As JSON it is one object, with what is said of the network.
    """
    from filterscope.pipeline.models.names import refuse_unknown

    refuse_unknown(spec)  # at once, before what opens networks is imported
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.run.planning import layers_of

    model = open_model(spec)
    for note in model.notes:
        say(f"note: {note}")
    height, width = model.transform.input_size
    layers = layers_of(model)
    if format == "json":
        stated = {"model": model.name, "input": [height, width], "parameters": model.parameters, "notes": model.notes}
        show(json.dumps({**stated, "layers": [_stated(layer) for layer in layers]}, indent=2))
    elif format == "table":
        heading = folded(f"{model.name}: input {height} x {width}, {model.parameters:,} parameters")
        answer(f"{heading}\n{_table(layers)}\n")
        answer(
            folded("receptive field, stride, centre of the first position: input pixels; + also sees the whole input")
        )
        for reason, mark in _marks(layers).items():
            answer(folded(f"{mark} no field: {reason}"))
    else:
        import polars as pl

        from filterscope.jobs.findings.query import shown

        answer(shown(pl.DataFrame([_stated(layer) for layer in layers], infer_schema_length=None), format))


def _table(layers: list[Layer]) -> str:
    marks = _marks(layers)
    rows = []
    for layer in layers:
        maps = f"{layer.channels}x{layer.height}x{layer.width}"
        rows.append((layer.name, layer.type, maps, *_geometry(layer, marks)))
    return grid(("layer", "type", "maps", "field", "stride", "centre"), rows)


def _marks(layers: list[Layer]) -> dict[str, str]:
    """Return a number for each reason why layers have no field; a column is no place for a sentence."""
    reasons = dict.fromkeys(layer.no_field or "" for layer in layers if layer.field is None)
    return {reason: f"[{number}]" for number, reason in enumerate(reasons, start=1)}


def _geometry(layer: Layer, marks: dict[str, str]) -> tuple[str, str, str]:
    """Return size with its mark, stride and first centre, or the number of the reason why there are none."""
    field = layer.field
    if field is None:
        return marks[layer.no_field or ""], "", ""
    stride, size, centre = (
        f"{rows:g}" if rows == columns else f"{rows:g} x {columns:g}"
        for rows, columns in (field.stride, field.size, field.centre)
    )
    return size + ("+" if field.through_global else ""), stride, centre


def _stated(layer: Layer) -> dict[str, Any]:
    field = layer.field
    return {
        "layer": layer.name,
        "type": layer.type,
        "channels": layer.channels,
        "height": layer.height,
        "width": layer.width,
        "stride": field and list(field.stride),
        "field": field and list(field.size),
        "centre": field and list(field.centre),
        "sees_all": field and field.through_global,
        "no_field": layer.no_field,
    }
