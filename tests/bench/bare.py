"""Imports of packages that a machine lacks and that a measurement does not call: ``with bare(): import ...``."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

#: Packages that the forward pass, decoding and the clock need nothing of, though modules on the way import them.
SPARED = (
    "cloudpickle", "google_crc32c", "numba", "numcodecs", "obstore", "polars", "pyarrow", "pycocotools", "pydantic", "ray",
    "scipy", "tqdm", "zarr",
)  # fmt: skip


class Absent(ModuleType):
    """Stands for a package that is not there: whatever is asked of it is another of these, and calling one returns one."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **options: Any) -> Any:
        return Absent(self.__name__)

    def __getitem__(self, key: Any) -> Any:
        return Absent(self.__name__)

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (object,)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = set(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in self._names:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def lacking(without: Sequence[str] = ()) -> list[str]:
    """Return which of the `SPARED` packages are not installed, with those that are to be passed over."""
    return [name for name in SPARED if name in without or importlib.util.find_spec(name) is None]


@contextmanager
def bare(names: Sequence[str]) -> Iterator[None]:
    """Let imports of packages that are not there succeed."""
    finder = _Finder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


__all__ = ["SPARED", "Absent", "bare", "lacking"]
