"""A stage as a value: its keys, and the chain of steps that computes them."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any

from filterscope.pipeline.engine.keys import Key, Keys, beside


@dataclass(frozen=True)
class Work:
    """Keys computed together, with the task that says what their steps need to know; travels to the workers.

    Attributes
    ----------
    keys : tuple of Key
        What is computed.
    task : object
        What the steps need to know.
    shares : str, optional
        Pieces that follow each other and state the same travel together, and share what `sharing.shared` keeps.
    """

    keys: tuple[Key, ...]
    task: Any
    shares: str | None = None


@dataclass(frozen=True)
class Output:
    """What the last step reports of one key: numbers for the ledger and for progress, and digests of what was written.

    `retries` are the requests to an object store that its worker sent again since it last reported.
    """

    key: Key
    rows: int = 0
    images: int = 0
    rejects: int = 0
    checksums: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0


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
    labels : mapping of str to str
        Labels that the nodes of a cluster must have on which it runs, such as the type of their GPUs.
    """

    call: Callable[..., Any]
    cpus: float = 1.0
    gpus: float = 0.0
    actors: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


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
    def joined(cls, stages: "Sequence[Stage]", together: Callable[[str], Hashable] = lambda first: first) -> "Stage":
        """Return one stage of the keys of several (at least one) that differ in the first part of their places alone.

        Parameters
        ----------
        stages : sequence of Stage
            Their keys stand one stage after the other.
        together : callable
            Says of the first part of a place with which others its keys are computed block by block: those that follow each
            other and for which it returns the same.
        """
        first, *others = stages
        if not others:
            return first
        groups = {_first(stage): stage.group for stage in stages}
        panels, parts = dict[str, Hashable](), list[Sequence[Key]]()
        for panel, members in groupby(stages, key=lambda stage: together(_first(stage))):
            found = list(members)
            parts += beside([stage.keys for stage in found])
            if len(found) > 1:
                panels |= dict.fromkeys(map(_first, found), panel)
        return cls(first.name, Keys(parts), partial(_by, groups, panels), first.steps)

    @property
    def on_gpu(self) -> bool:
        """Whether a step of it takes a GPU."""
        return any(step.gpus for step in self.steps)


def _first(stage: Stage) -> str:
    return stage.keys[0].place[0]


def _alone(tasks: Mapping[Key, Any], missing: Iterable[Key]) -> Iterator[Work]:
    return (Work((key,), tasks[key]) for key in missing)


def _by(
    groups: Mapping[str, Callable[[Iterable[Key]], Iterator[Work]]],
    panels: Mapping[str, Hashable],
    missing: Iterable[Key],
) -> Iterator[Work]:
    for first, keys in groupby(missing, key=lambda key: key.place[0]):
        for work in groups[first](keys):
            yield replace(work, shares=f"{panels[first]}/{work.keys[0].place[-1]}") if first in panels else work


__all__ = ["Output", "Stage", "Step", "Work"]
