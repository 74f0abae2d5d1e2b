"""What a method of the survey is: a value from which all that the tool knows of it is derived.

Names and help of its options, the order of its stages, fingerprints, what `--redo` recomputes, which maps are kept, what is
refused before anything runs, what `doctor` checks, what `estimate` projects, what terminal and report show.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from filterscope.pipeline.run.options import Options, RunOptions

if TYPE_CHECKING:
    import polars as pl

    from filterscope.pipeline.engine.keys import Fingerprint
    from filterscope.pipeline.engine.stage import Stage
    from filterscope.pipeline.run.needs import Need
    from filterscope.pipeline.run.plan import Plan, PlannedModel
    from filterscope.pipeline.stores.artifacts import Artifact

#: What a row of a finding is about, and so which page shows it.
Per = Literal["run", "layer", "unit", "category"]
#: How the report draws it.
Look = Literal[
    "table", "bars", "lines", "strips", "grid", "heat", "graph", "gallery", "matrix", "patterns", "traversals",
    "wall",
]  # fmt: skip


class Prints(Protocol):
    """Fingerprints of the stages of one run; see `prints.RunPrints`."""

    def of(self, kind: "str | StageKind", model: "PlannedModel") -> "Fingerprint":
        """Return what the outputs of a stage depend on, for one model."""

    def former(self, kind: "StageKind", model: "PlannedModel") -> str | None:
        """Return the digest that version 0.1 marked the same outputs with, where that is another."""


def _no_parameters(plan: "Plan", model: "PlannedModel") -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class StageKind:
    """A kind of stage: what it reads and writes, and how a run plans it.

    Attributes
    ----------
    name : str
        Such as dissect; the first part of its keys.
    reads, writes : tuple of Artifact
        What its pieces of work open and leave. The fingerprint holds the stages that wrote what is read, but those that
        others of them depend on already.
    plan : callable
        ``plan(kind, plan, prints)`` returns its stages for the models of a plan: one, unless it works in rounds.
    parameters : callable
        Options and constants that its outputs depend on, for one model: ``parameters(plan, model)``.
    like : tuple of str
        Stages whose parameters it applies though it opens nothing of theirs; the fingerprint holds these too.
    same_as : StageKind, optional
        The kind whose outputs these equal bit for bit, so that they have its fingerprint.
    former : callable, optional
        The fingerprint that version 0.1 marked the same outputs with: ``former(plan, model, prints)``.
    forward : bool
        Whether it is the forward pass that all that reads activations waits for.
    again : bool
        Whether it shows the views to the networks again; those of a panel are then shown a block together.
    bytes : callable, optional
        The most bytes that it may write beside tables, for the check of the disk: ``bytes(plan)``.
    prepare : callable, optional
        Makes the arrays that its pieces of work write into, where they are not there, before any stage begins:
        ``prepare(plan)``.
    """

    name: str
    reads: "tuple[Artifact, ...]"
    writes: "tuple[Artifact, ...]"
    plan: "Callable[[StageKind, Plan, Prints], Sequence[Stage]]" = field(repr=False)
    parameters: "Callable[[Plan, PlannedModel], Mapping[str, Any]]" = field(default=_no_parameters, repr=False)
    like: tuple[str, ...] = ()
    same_as: "StageKind | None" = None
    former: "Callable[[Plan, PlannedModel, Prints], Fingerprint] | None" = field(default=None, repr=False)
    forward: bool = False
    again: bool = False
    bytes: "Callable[[Plan], int] | None" = field(default=None, repr=False)
    prepare: "Callable[[Plan], None] | None" = field(default=None, repr=False)


@dataclass(frozen=True)
class Finding:
    """Something that a method found, as rows for terminal, report and notebook.

    Attributes
    ----------
    title : str
        Heading.
    tables : tuple of str
        Result tables that it shows, the one that it is about first; it is drawn anew when one of them changed.
    frame : callable
        ``frame(run)`` for a run folder; a polars.DataFrame, empty where the run has not computed it. Per layer its columns
        begin with model and layer and ``frame(run, model, layer)`` returns the rows of one layer, reading no other; per unit
        likewise, with a column unit and sorted by it; per category ``frame(run, model, category)``.
    per : {"run", "layer", "unit", "category"}
        What a row is about: pages of the run, of layers, of units or of categories show it.
    look : {"table", "bars", "lines", "strips", "grid", "heat", "graph", "gallery", "matrix", "patterns", "traversals", "wall"}
        How the report draws it. Bars: the first fraction after the last column of words. Lines: all numbers against the
        first, a figure for each combination of words; columns `X low` and `X high` are a band around the line of X. Strips: a
        column `views` holds lists of views, or of structs with view, and y and x, where a ring is drawn, or `says`, what
        stands below. Grid: the same with more views of each row. Heat: all fractions on one scale. Graph: ties from the
        column `from` to the column `to` by their `weight`. Gallery: attacked images that are kept, by model, view, attack
        and strength; it has a column `views` too. Matrix: the column `relation` of every `attribute` and `other`, a figure
        for each model. Patterns: a column `views` holds lists of views with a signed map of either attribute. Traversals:
        lists of grey pictures with `value`, `factors`, `height` and `width`. Wall: a column `picture` holds a PNG for each row.
    bars : tuple of str
        Columns of shares, from 0 to 1, that strips draw as bars too.
    note : str
        A sentence below the heading: what the numbers are and what chance or a constant would give.
    terminal : bool
        Whether `audit` prints it when it is done; for findings per run alone.
    """

    title: str
    tables: tuple[str, ...]
    frame: "Callable[..., pl.DataFrame]" = field(repr=False)
    per: Per = "run"
    look: Look = "table"
    bars: tuple[str, ...] = ()
    note: str = ""
    terminal: bool = True


@dataclass(frozen=True)
class Size:
    """What an audit amounts to, for projections: views times models, elements of maps, (unit, view) pairs."""

    views: float
    elements: float
    pairs: float


def _no_seconds(factors: Mapping[str, float], size: Size) -> Mapping[str, float]:
    return {}


@dataclass(frozen=True)
class Cost:
    """What a method costs.

    Attributes
    ----------
    factors : tuple of str
        Rows ``unit_cost.NAME`` of ``bench.json`` that the projection needs, in seconds of one core.
    seconds : callable
        ``seconds(factors, size)`` returns core seconds by stage.
    passes : float
        Forward passes of each view, beside those that give activations, that the method takes as long as; it decodes the
        view again for them.
    planned : callable, optional
        ``planned(factors, plan, views)`` returns core seconds by stage for all networks of a plan, of what depends on classes,
        attributes or options too.
    drawn : callable, optional
        ``drawn(plan)`` returns forward passes through each network, whatever the number of views: of methods that work on some
        that are drawn.
    """

    factors: tuple[str, ...] = ()
    seconds: Callable[[Mapping[str, float], Size], Mapping[str, float]] = _no_seconds
    passes: float = 0.0
    planned: "Callable[[Mapping[str, float], Plan, int], Mapping[str, float]] | None" = field(default=None, repr=False)
    drawn: "Callable[[Plan], float] | None" = field(default=None, repr=False)


@dataclass(frozen=True)
class Method:
    """A method of the survey.

    Attributes
    ----------
    name : str
        As in ``--methods NAME`` and the TOML table ``[NAME]``.
    about : str
        What it tells, in a few words.
    source : str
        Paper and section.
    stages : callable
        ``stages(options)`` returns the kinds of its own stages for a run's options; those of other methods whose artifacts
        they read are found by these. Imports what is heavy when it is called.
    options : type
        Its options.
    needs : callable
        Returns what must be there; each refuses in its own words before anything runs.
    findings : callable
        Returns what terminal, report and notebook show.
    cost : Cost, optional
        What `estimate` projects.
    told : callable, optional
        ``told(plan)`` returns lines on its cost for this very run, which a person is told before its stages start.
    unstored : bool
        Whether it works where activations are not stored.
    slow : bool
        Whether it takes long on few images too, so that Ray's workers pay.
    default : bool
        Whether an audit that names no methods has it.
    """

    name: str
    about: str
    source: str
    stages: Callable[[RunOptions], Sequence[StageKind]] = field(repr=False)
    options: type[Options] = Options
    needs: "Callable[[], Sequence[Need]]" = field(default=tuple, repr=False)
    findings: Callable[[], Sequence[Finding]] = field(default=tuple, repr=False)
    cost: Cost | None = field(default=None, repr=False)
    told: "Callable[[Plan], Sequence[str]] | None" = field(default=None, repr=False)
    unstored: bool = False
    slow: bool = False
    default: bool = False


__all__ = ["Cost", "Finding", "Look", "Method", "Per", "Size", "StageKind"]
