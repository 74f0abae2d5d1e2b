"""Imports of packages that a machine lacks and that a measurement does not call: ``with bare(): import ...``."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ClassVar

#: Packages that the forward pass, decoding and the clock need nothing of, though modules on the way import them.
SPARED = (
    "cloudpickle", "google_crc32c", "numba", "numcodecs", "obstore", "polars", "pyarrow", "pycocotools", "pydantic", "ray",
    "scipy", "tqdm", "zarr",
)  # fmt: skip


class _Kind(type):
    """Makes classes of packages that are not there: what is asked of one is another."""

    def __getattr__(cls, name: str) -> Any:
        return _absent(name)


def _absent(name: str) -> Any:
    """Return what stands for a name: a class for one that is written as classes are, which may be caught and inherited from."""
    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(name)
    return _Kind(name, (Exception,), {}) if name[:1].isupper() else Absent(name)


class Absent(ModuleType):
    """Stands for a package that is not there, or a function of it: called, it returns what it was given, as decorators do."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return _absent(name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return args[0] if len(args) == 1 and callable(args[0]) else self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = set(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        schemas = name.startswith("filterscope.schemas") and "pyarrow" in self._names
        if name.partition(".")[0] not in self._names and not schemas:
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
