"""A stage as a value: its keys, and the chain of steps that computes them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from filterscope.pipeline.engine.keys import Key, Keys


@dataclass(frozen=True)
class Work:
    """Keys computed together, with the task that says what their steps need to know; travels to the workers."""

    keys: tuple[Key, ...]
    task: Any


@dataclass(frozen=True)
class Output:
    """What the last step reports of one key: numbers for the ledger and for progress, and digests of what was written."""

    key: Key
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
    """A stage: what it consists of and how missing keys are computed.

    Attributes
    ----------
    name : str
        Such as extract.
    keys : Keys
        All of them, done or not.
    group : callable
        Puts missing keys into pieces of work, in the order in which they should start; both are streams.
    steps : tuple of Step
        Run one after the other on each piece.
    """

    name: str
    keys: Keys
    group: Callable[[Iterable[Key]], Iterator[Work]]
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, name: str, tasks: Mapping[Key, Any], call: Callable[..., Any]) -> "Stage":
        """Make a stage of one step, in which each key is its own piece of work: ``call(task)``."""
        return cls(name, Keys([list(tasks)]), partial(_alone, tasks), (Step(call),))

    @classmethod
    def joined(cls, stages: "Sequence[Stage]") -> "Stage":
        """Return one stage of the keys of several (at least one) that differ in the first part of their places alone."""
        first, *others = stages
        if not others:
            return first
        groups = {stage.keys[0].place[0]: stage.group for stage in stages}
        return cls(
            first.name, Keys([part for stage in stages for part in stage.keys.parts]), partial(_by, groups), first.steps
        )

    @property
    def on_gpu(self) -> bool:
        """Whether a step of it takes a GPU."""
        return any(step.gpus for step in self.steps)


def _alone(tasks: Mapping[Key, Any], missing: Iterable[Key]) -> Iterator[Work]:
    return (Work((key,), tasks[key]) for key in missing)


def _by(groups: Mapping[str, Callable[[Iterable[Key]], Iterator[Work]]], missing: Iterable[Key]) -> Iterator[Work]:
    for first, keys in groupby(missing, key=lambda key: key.place[0]):
        yield from groups[first](keys)


__all__ = ["Output", "Stage", "Step", "Work"]
