"""The verb `layers`: which layers of a network can be audited."""

import sys
from collections.abc import Sequence

from filterscope.pipeline.models.layer import Layer


def print_layers(source: str, input_size: int | None, args: Sequence[str] = ()) -> None:
    """Open a network and print every module with a 4-D output, in order of execution."""
    from rich.console import Console
    from rich.table import Table

    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.spec import ModelSpec
    from filterscope.pipeline.run.planning import layers_of

    model = open_model(ModelSpec(source, input_size=input_size, args=tuple(args)))
    for note in model.notes:
        sys.stderr.write(f"note: {note}\n")
    height, width = model.transform.input_size
    table = Table(
        title=f"{model.name}: input {height} x {width}, {model.parameters:,} parameters", title_justify="left"
    )
    for name in ("layer", "type", "maps", "stride", "field", "centre"):
        left = name in ("layer", "type")
        table.add_column(name, justify="left" if left else "right", no_wrap=name in ("layer", "maps"))
    for layer in layers_of(model):
        maps = f"{layer.channels} x {layer.height} x {layer.width}"
        table.add_row(layer.name, layer.type, maps, *_geometry(layer))
    console = Console()
    console.print(table)
    console.print("stride, receptive field, centre of the first position: input pixels; + sees all the input as well")


def _geometry(layer: Layer) -> tuple[str, str, str]:
    """Return stride, size with its mark, and first centre, or why there are none."""
    field = layer.field
    if field is None:
        return "", layer.no_field or "", ""
    stride, size, centre = (
        f"{rows:g}" if rows == columns else f"{rows:g} x {columns:g}"
        for rows, columns in (field.stride, field.size, field.centre)
    )
    return stride, size + ("+" if field.through_global else ""), centre
