"""The verb `layers`: what of a network can be audited."""

import sys


def print_layers(source: str, input_size: int | None) -> None:
    """Open a network and print every module with a 4-D output, in order of execution."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.models.model import open_model
    from pipeline.models.spec import ModelSpec
    from pipeline.models.taps import list_layers

    model = open_model(ModelSpec(source, input_size=input_size))
    for note in model.notes:
        sys.stderr.write(f"note: {note}\n")
    height, width = model.transform.input_size
    table = Table(
        title=f"{model.name}: input {height} x {width}, {model.parameters:,} parameters", title_justify="left"
    )
    for name in ("layer", "type", "channels", "height", "width"):
        table.add_column(name, justify="left" if name in ("layer", "type") else "right")
    for layer in list_layers(model.module, model.transform.input_size, what=model.name):
        table.add_row(layer.name, layer.type, str(layer.channels), str(layer.height), str(layer.width))
    Console().print(table)
