"""All tables of a run, gathered from the modules of this package.

A table is an upper-case constant of a module, made by `columns.table`; its name is that of the constant, in lower case. A new
method adds a module, and nothing else here changes.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

import pyarrow as pa

from filterscope.schemas.columns import Joined, table, tables_in

#: Modules that declare no table of a run.
_OTHERS = ("__main__", "columns", "dataset", "marked", "opening", "reference", "results", "retries")


def gathered(modules: Iterable[ModuleType]) -> dict[str, pa.Schema]:
    """Return the tables of modules by name, in order of the modules and, within one, of definition.

    Raises
    ------
    ValueError
        If two modules declare a table of the same name.
    """
    tables: dict[str, pa.Schema] = {}
    places: dict[str, str] = {}
    for module in modules:
        for name, schema in tables_in(vars(module)).items():
            if name in tables:
                raise ValueError(f"table {name!r} is declared in {places[name]} and in {module.__name__}; rename one")
            tables[name], places[name] = schema, module.__name__
    return tables


def joined(modules: Iterable[ModuleType], tables: Mapping[str, pa.Schema]) -> dict[str, tuple[Joined, ...]]:
    """Return what modules join to each table, in their order.

    Raises
    ------
    ValueError
        If what is joined, or what it is joined to, is not among `tables`.
    """
    found: dict[str, tuple[Joined, ...]] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Joined):
                unknown = {value.to, value.source} - set(tables)
                if unknown:
                    raise ValueError(
                        f"{module.__name__} joins {value.source} to {value.to}; no table {unknown.pop()!r}"
                    )
                found[value.to] = (*found.get(value.to, ()), value)
    return found


def _modules() -> tuple[ModuleType, ...]:
    names = sorted(module.name for module in iter_modules([str(Path(__file__).parent)]))
    names = ["run", *(name for name in names if name not in {"run", *_OTHERS})]
    return tuple(import_module(f"{__package__}.{name}") for name in names)


#: Modules that declare tables of a run: what every run has first, then the methods by name.
MODULES = _modules()

#: Every table of a run as it is stored.
TABLES = gathered(MODULES)

#: What `schemas.scan` joins to a table from another one.
JOINED = joined(MODULES, TABLES)

#: Every table of a run as `schemas.scan` returns it.
SCANNED = {
    name: table(*schema, *(field for other in JOINED.get(name, ()) for field in other.columns))
    for name, schema in TABLES.items()
}

__all__ = ["JOINED", "MODULES", "SCANNED", "TABLES", "gathered", "joined"]
