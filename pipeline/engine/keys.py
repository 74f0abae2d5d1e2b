"""Keys: what the pieces of work of a stage are called, and what their outputs depend on."""

import hashlib
import json
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeVar, overload

Item = TypeVar("Item", covariant=True)


@dataclass(frozen=True)
class Fingerprint:
    """What the outputs of a stage depend on: its declared parameters and the fingerprints of its inputs."""

    parameters: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        stated = json.dumps({"parameters": self.parameters, "inputs": self.inputs}, sort_keys=True)
        return hashlib.sha256(stated.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Key:
    """An immutable name of a piece of work: where its outputs lie follows from the key alone.

    Attributes
    ----------
    stage : str
        Name of the stage.
    place : tuple of str
        What it is about, such as (model, layer, units-0064).
    fingerprint : Fingerprint
        What its outputs depend on.
    former : str, optional
        Digest of the fingerprint under which earlier versions of filterscope computed the same outputs.
    """

    stage: str
    place: tuple[str, ...]
    fingerprint: Fingerprint = field(compare=False)
    former: str | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The key as text, such as ``dissect/resnet18/layer4/units-0064``."""
        return "/".join((self.stage, *self.place))


class _OnDemand(Sequence[Item]):
    """Items that are made when they are asked for, each from its number."""

    @abstractmethod
    def _item(self, number: int) -> Item:
        """Return the item of a number from 0 on."""

    @overload
    def __getitem__(self, number: int) -> Item: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Item]: ...
    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return [self._item(index) for index in range(*number.indices(len(self)))]
        return self._item(range(len(self))[number])


@dataclass(frozen=True)
class Blocks(_OnDemand[tuple[str, int, int]]):
    """[0, total) cut into blocks of `size`, each named by its start: (``images-002048``, 2048, 2176)."""

    name: str
    total: int
    size: int

    def __len__(self) -> int:
        return -(-self.total // self.size)

    def _item(self, number: int) -> tuple[str, int, int]:
        start = number * self.size
        return f"{self.name}-{start:06d}", start, min(start + self.size, self.total)


def blocks(name: str, total: int, size: int) -> Blocks:
    """Cut [0, total) into blocks of `size` and name each by its start."""
    return Blocks(name, total, size)


@dataclass(frozen=True)
class Grid(_OnDemand[Key]):
    """Keys of every block and folder, made on demand: all folders of the first block, then of the next.

    Attributes
    ----------
    stage : str
        Name of the stage.
    folders : tuple of tuple of str
        Such as the (model, layer) of every layer.
    blocks : sequence of (str, int, int)
        Last parts of the places.
    fingerprint, former
        As of `Key`, the same for all.
    """

    stage: str
    folders: tuple[tuple[str, ...], ...]
    blocks: Sequence[tuple[str, int, int]]
    fingerprint: Fingerprint
    former: str | None = None

    def __len__(self) -> int:
        return len(self.folders) * len(self.blocks)

    def _item(self, number: int) -> Key:
        block, folder = divmod(number, len(self.folders))
        return self._key(self.folders[folder], self.blocks[block][0])

    def __iter__(self) -> Iterator[Key]:
        for name, _, _ in self.blocks:
            for folder in self.folders:
                yield self._key(folder, name)

    def _key(self, folder: tuple[str, ...], name: str) -> Key:
        return Key(self.stage, (*folder, name), self.fingerprint, self.former)


@dataclass(frozen=True)
class Beside(_OnDemand[Key]):
    """Keys of several grids of the same blocks: those of the first block of every grid, then of the next."""

    grids: tuple[Grid, ...]

    def __len__(self) -> int:
        return sum(map(len, self.grids))

    def _item(self, number: int) -> Key:
        block, number = divmod(number, sum(len(grid.folders) for grid in self.grids))
        for grid in self.grids:
            if number < len(grid.folders):
                return grid[block * len(grid.folders) + number]
            number -= len(grid.folders)
        raise IndexError(number)

    def __iter__(self) -> Iterator[Key]:
        for block in range(len(self.grids[0].blocks)):
            for grid in self.grids:
                yield from grid[block * len(grid.folders) : (block + 1) * len(grid.folders)]


def beside(keys: "Sequence[Keys]") -> Sequence[Sequence[Key]]:
    """Return the parts of several keys; grids of the same blocks, one of each, as one part block by block."""
    parts = [part for each in keys for part in each.parts]
    grids = [part for part in parts if isinstance(part, Grid)]
    if len(keys) < 2 or len(grids) != len(keys) or any(grid.blocks != grids[0].blocks for grid in grids):
        return parts
    return [Beside(tuple(grids))]


class Keys(_OnDemand[Key]):
    """Keys of a stage: parts one after the other, each a list or a `Grid`."""

    def __init__(self, parts: Sequence[Sequence[Key]]) -> None:
        self.parts = tuple(part for part in parts if len(part))
        self._ends = list(accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _item(self, number: int) -> Key:
        part = bisect_right(self._ends, number)
        return self.parts[part][number - (self._ends[part - 1] if part else 0)]

    def __iter__(self) -> Iterator[Key]:
        for part in self.parts:
            yield from part


__all__ = ["Beside", "Blocks", "Fingerprint", "Grid", "Key", "Keys", "beside", "blocks"]
