"""Audit what the filters of convolutional networks represent.

>>> import filterscope
>>> run = filterscope.audit("torchvision:resnet18@weights.pth", "data/sample", layers="layer4")  # doctest: +SKIP
>>> run.units.filter(pl.col("detector")).collect()  # doctest: +SKIP
>>> run.unit("layer4", 412)  # doctest: +SKIP

Importing it loads nothing heavy; each name is loaded when it is first used. ``docs/python.md`` shows them all.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filterscope.arrays import Dissection, dissect
    from filterscope.auditing import audit
    from filterscope.pipeline.engine.errors import InputError, RunError
    from filterscope.run import Run, open  # noqa: A004
    from filterscope.unit import Unit

    __version__: str

_PLACES = {
    "Dissection": "filterscope.arrays",
    "InputError": "filterscope.pipeline.engine.errors",
    "Run": "filterscope.run",
    "RunError": "filterscope.pipeline.engine.errors",
    "Unit": "filterscope.unit",
    "audit": "filterscope.auditing",
    "dissect": "filterscope.arrays",
    "open": "filterscope.run",
}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("filterscope")
    elif name in _PLACES:
        value = getattr(import_module(_PLACES[name]), name)
    else:
        raise AttributeError(f"module 'filterscope' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return every name, loaded or not."""
    return sorted({*globals(), *__all__})


__all__ = ["Dissection", "InputError", "Run", "RunError", "Unit", "__version__", "audit", "dissect", "open"]
