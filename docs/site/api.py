"""Pages of the API, which Sphinx fills from docstrings."""

import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType

import filterscope

#: What a method's author imports, in the order in which one meets it; the guide is `write_a_method.md`.
CONTRACT = (
    "filterscope.pipeline.methods.method",
    "filterscope.pipeline.run.options",
    "filterscope.pipeline.run.needs",
    "filterscope.pipeline.methods.tasks",
    "filterscope.pipeline.methods.units",
    "filterscope.pipeline.engine.stage",
    "filterscope.pipeline.engine.keys",
    "filterscope.pipeline.stores.artifacts",
    "filterscope.schemas.columns",
)
_FRONT = """# Python API

Everything that `filterscope` itself offers; [From Python](../python.md) shows how it is used. Importing it loads nothing heavy.

{contents}
"""


def pages() -> dict[str, str]:
    """Return the front door, the contract of a method, and a page for each room of operators."""
    rooms = operators()
    found = {"api/filterscope.md": _FRONT.format(contents=_rst("\n".join(map(_entry, _front()))))}
    found["api/method.md"] = (
        "# The contract of a method\n\nWhat a method's author imports; the guide is [Write a method](../write_a_method.md).\n"
        + "".join(map(_module, CONTRACT))
    )
    for room, modules in rooms.items():
        about = _first_line(import_module(f"filterscope.operators.{room}"))
        found[f"api/operators/{room}.md"] = f"# {room.replace('_', ' ')}\n\n{about}\n" + "".join(map(_module, modules))
    names = "\n".join(f"operators/{room}" for room in rooms)
    found["api/operators.md"] = (
        "# Operators\n\nThe science: arrays in, arrays out; no Ray, no files, no printing. One algorithm per file.\n\n"
        f":::{{toctree}}\n:maxdepth: 1\n\n{names}\n:::\n"
    )
    return found


def operators() -> dict[str, list[str]]:
    """Return the modules of each room of operators."""
    root = Path(import_module("filterscope.operators").__file__ or "").parent
    files = sorted(path for path in root.glob("*/*.py") if path.stem != "__init__")
    rooms: dict[str, list[str]] = {path.parent.name: [] for path in files}
    for path in files:
        name = f"filterscope.operators.{path.parent.name}.{path.stem}"
        if _public(import_module(name)):
            rooms[path.parent.name].append(name)
    return rooms


def _front() -> list[tuple[str, str]]:
    """Return directive and name of all that `filterscope` exports, functions first."""
    found = []
    for name in filterscope.__all__:
        value = getattr(filterscope, name)
        if inspect.isclass(value):
            found.append(("autoexception" if issubclass(value, Exception) else "autoclass", f"filterscope.{name}"))
        elif callable(value):
            found.append(("autofunction", f"filterscope.{name}"))
    order = ("autofunction", "autoclass", "autoexception")
    return sorted(found, key=lambda one: order.index(one[0]))


def _entry(one: tuple[str, str]) -> str:
    directive, name = one
    members = "" if directive == "autofunction" else "\n   :members:"
    return f".. {directive}:: {name}{members}\n"


def _module(name: str) -> str:
    """Return the section of a module: its docstring, and what it exports."""
    module = import_module(name)
    path = name.removeprefix("filterscope.").replace(".", "/")
    members = ", ".join(_public(module))
    text = f".. automodule:: {name}\n   :members: {members}\n"
    return f"\n## {name.rpartition('.')[2].replace('_', ' ')}\n\n`{path}.py`\n\n{_rst(text)}\n"


def _public(module: ModuleType) -> list[str]:
    """Return the functions and classes that a module exports and defines."""
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    values = {name: getattr(module, name) for name in names}
    return [
        name
        for name, value in values.items()
        if getattr(value, "__module__", None) == module.__name__ and callable(value)
    ]


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().partition("\n")[0]


def _rst(text: str) -> str:
    return f"```{{eval-rst}}\n{text}```"
