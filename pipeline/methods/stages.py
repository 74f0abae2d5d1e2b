"""The stages of a run: those of its methods and, through what they read, those of others; in order."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from filterscope.pipeline.engine.stage import Stage
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.prints import RunPrints
from filterscope.pipeline.run.options import RunOptions
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.artifacts import Artifact


def all_kinds(options: RunOptions) -> list[StageKind]:
    """Return the kinds of stages of all methods for the options of a run, each once: what is read before who reads it."""
    from filterscope.pipeline.methods.extraction import forward_kinds

    kinds = {kind.name: kind for kind in forward_kinds(options)}
    for method in registry.METHODS:
        if options.stored or method.unstored:
            kinds |= {kind.name: kind for kind in method.stages(options) if kind.name not in kinds}
    return _in_order(list(kinds.values()))


def _in_order(kinds: list[StageKind]) -> list[StageKind]:
    """Sort kinds so that each comes after those whose artifacts it reads; the forward pass after all that it does not need."""
    writers = writers_of(kinds)
    placed: dict[str, StageKind] = {}
    left = [*(kind for kind in kinds if not kind.reads and not kind.forward), *kinds]
    while left:
        ready = next(
            (k for k in left if all(writers.get(a.name, k.name) in (*placed, k.name) for a in k.reads)),
            None,
        )
        if ready is None:
            raise ValueError(f"stages read each other's outputs in a circle: {', '.join(kind.name for kind in left)}")
        placed[ready.name] = ready
        left = [kind for kind in left if kind.name not in placed]
    return list(placed.values())


def writers_of(kinds: Iterable[StageKind]) -> dict[str, str]:
    """Return the name of the stage that writes each artifact."""
    return {artifact.name: kind.name for kind in kinds for artifact in kind.writes}


def with_sources(kinds: Sequence[StageKind], names: Iterable[str]) -> set[str]:
    """Add to the given stages those whose artifacts they read, directly or through others; `kinds` as `all_kinds` has them."""
    writers, found = writers_of(kinds), set(names)
    for kind in reversed(kinds):  # who reads comes after what is read
        if kind.name in found:
            found |= {writers[artifact.name] for artifact in kind.reads}
    return found


class Stages:
    """The stages of one run.

    Parameters
    ----------
    plan : Plan
        The run.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._all = all_kinds(plan.options)
        self._writers = writers_of(self._all)
        wanted = {name for method in registry.chosen(plan.options.methods) for name in self._own(method.name)}
        wanted |= {kind.name for kind in self._all if kind.forward}
        self.kinds = [kind for kind in self._all if kind.name in self._with_sources(wanted)]

    def _own(self, method: str) -> set[str]:
        return {kind.name for kind in registry.method(method).stages(self.plan.options)}

    def _with_sources(self, names: set[str]) -> set[str]:
        """Add the stages whose artifacts the given ones read, directly or through others."""
        return with_sources(self._all, names)

    @cached_property
    def prints(self) -> RunPrints:
        """Fingerprints of all stages."""
        stored = None
        if not self.plan.options.stored:
            other = self.plan.with_options(store="zarr")
            stored = RunPrints(other, all_kinds(other.options))
        return RunPrints(self.plan, self._all, stored)

    def all(self) -> list[Stage]:
        """Return all stages in the order in which they run."""
        return [stage for kind in self.kinds for stage in self._planned(kind, self.plan)]

    def before(self) -> list[Stage]:
        """Return the stages that need no activations."""
        late = self.dependents(kind.name for kind in self.kinds if kind.forward)
        return [stage for kind in self.kinds if kind.name not in late for stage in self._planned(kind, self.plan)]

    def forward(self) -> list[Stage]:
        """Return the forward passes, a stage for each model."""
        kinds = [kind for kind in self.kinds if kind.forward]
        return [
            stage
            for model in self.plan.models
            for kind in kinds
            for stage in self._planned(kind, self.plan.only(model.name))
        ]

    def analyses(self, *models: str) -> list[Stage]:
        """Return the stages of models that read what their forward passes wrote; another pass takes them block by block."""
        late = self.dependents(kind.name for kind in self.kinds if kind.forward)
        plans = [self.plan.only(model) for model in models]
        found: list[Stage] = []
        for kind in (kind for kind in self.kinds if kind.name in late and not kind.forward):
            stages = [stage for own in plans for stage in self._planned(kind, own)]
            found += [Stage.joined(stages, lambda model: "together")] if kind.again and stages else stages
        return found

    def dependents(self, names: Iterable[str]) -> set[str]:
        """Return stages and all that read, directly or through others, what they write."""
        found = set(names)
        for kind in self._all:  # in order, so that what a stage reads comes before it
            if any(self._writers[artifact.name] in found for artifact in kind.reads):
                found.add(kind.name)
        return found

    def names(self) -> list[str]:
        """Return the names of all stages there are, wanted or not."""
        return [kind.name for kind in self._all]

    def reading(self, artifact: Artifact) -> set[str]:
        """Return the stages of this run that read an artifact."""
        return {kind.name for kind in self.kinds if artifact in kind.reads}

    def passing(self, artifact: Artifact) -> set[str]:
        """Return the stages of this run that an artifact comes from and whose outputs are deleted when all is computed."""
        sources = self._with_sources({self._writers[artifact.name]})
        return {kind.name for kind in self.kinds if kind.name in sources and any(a.removable for a in kind.writes)}

    def kind(self, name: str) -> StageKind:
        """Return a kind by its name."""
        return next(kind for kind in self._all if kind.name == name)

    def most_bytes(self) -> dict[str, int]:
        """Return the most bytes that stages may write beside tables, by the name of each that states it."""
        return {kind.name: kind.bytes(self.plan) for kind in self.kinds if kind.bytes is not None}

    def prepare(self) -> None:
        """Make the arrays that the stages write into, where they are not there."""
        for kind in self.kinds:
            if kind.prepare is not None:
                kind.prepare(self.plan)

    def _planned(self, kind: StageKind, plan: Plan) -> Sequence[Stage]:
        return kind.plan(kind, plan, self.prints)


__all__ = ["Stages", "all_kinds", "with_sources", "writers_of"]
