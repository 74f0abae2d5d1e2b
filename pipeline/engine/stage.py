"""A stage as a value: its units of work, and the chain of steps that carries them out."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any


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
class Unit:
    """A unit of work: an immutable key; where its outputs lie follows from the key alone.

    Attributes
    ----------
    stage : str
        Name of the stage.
    place : tuple of str
        What the unit is about, such as (model, layer, units-0064).
    fingerprint : Fingerprint
        What its outputs depend on.
    """

    stage: str
    place: tuple[str, ...]
    fingerprint: Fingerprint = field(compare=False)

    @property
    def key(self) -> str:
        """The key as text, such as ``dissect/resnet18/layer4/units-0064``."""
        return "/".join((self.stage, *self.place))


@dataclass(frozen=True)
class Work:
    """Units computed together, with what their steps need to know; travels to the workers."""

    units: tuple[Unit, ...]
    task: Any


@dataclass(frozen=True)
class Output:
    """What the last step reports of one unit: numbers for the ledger and for progress."""

    unit: Unit
    rows: int = 0
    images: int = 0
    rejects: int = 0
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One step of a stage, with the resources one worker of it needs.

    Attributes
    ----------
    call : callable
        A function, or a class whose instance is made once in each worker and called: ``call(task, **arrays)``. A step
        but the last returns a dict of arrays, the arguments of the next; the last returns a list of `Output`.
    cpus, gpus : float
        What one worker takes.
    actors : int
        Workers that hold an instance; 0 for tasks without state.
    """

    call: Callable[..., Any]
    cpus: float = 1.0
    gpus: float = 0.0
    actors: int = 0


@dataclass(frozen=True)
class Stage:
    """A stage: what it consists of and how missing units are computed.

    Attributes
    ----------
    name : str
        Such as extract.
    units : tuple of Unit
        All of them, done or not.
    group : callable
        Puts missing units into pieces of work, in the order they should start.
    steps : tuple of Step
        Carried out one after the other on each piece.
    """

    name: str
    units: tuple[Unit, ...]
    group: Callable[[Sequence[Unit]], list[Work]]
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, name: str, tasks: Mapping[Unit, Any], call: Callable[..., Any]) -> "Stage":
        """Make a stage of one step, in which each unit is a piece of work of its own: ``call(task)``."""
        return cls(name, tuple(tasks), partial(_alone, tasks), (Step(call),))


def _alone(tasks: Mapping[Unit, Any], missing: Sequence[Unit]) -> list[Work]:
    return [Work((unit,), tasks[unit]) for unit in missing]


def blocks(name: str, total: int, size: int) -> list[tuple[str, int, int]]:
    """Cut [0, total) into blocks of `size` and name each by its start: (``images-002048``, 2048, 2176)."""
    return [(f"{name}-{start:06d}", start, min(start + size, total)) for start in range(0, total, size)]
