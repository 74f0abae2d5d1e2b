"""Fingerprints of the stages of a run, derived from what each stage reads."""

from collections.abc import Iterable, Sequence

from filterscope.pipeline.engine.keys import Fingerprint
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: A parameter that results depend on, as (stage, parameter).
Stated = tuple[str, str]


class RunPrints:
    """Fingerprints of the stages of one run.

    A fingerprint holds the parameters of its stage, and the fingerprints of the stages whose artifacts the stage reads, less
    those that state nothing that another of them does not state.

    Parameters
    ----------
    plan : Plan
        The run.
    kinds : sequence of StageKind
        All kinds of stages there are for its options, wanted or not.
    stored : RunPrints, optional
        Fingerprints of the same run with stored activations, for kinds whose outputs are the same with and without.
    """

    def __init__(self, plan: Plan, kinds: Sequence[StageKind], stored: "RunPrints | None" = None) -> None:
        self._plan, self._stored = plan, stored
        self._kinds = {kind.name: kind for kind in kinds}
        self._writers = {artifact.name: kind.name for kind in kinds for artifact in kind.writes}
        self._known: dict[tuple[str, str], tuple[Fingerprint, frozenset[Stated]]] = {}

    def of(self, kind: str | StageKind, model: PlannedModel) -> Fingerprint:
        """Return what the outputs of a stage depend on, for one model."""
        return self._of(kind if isinstance(kind, str) else kind.name, model)[0]

    def former(self, kind: StageKind, model: PlannedModel) -> str | None:
        """Return the digest that version 0.1 marked the same outputs with, where that is another."""
        if kind.former is None:
            return None
        return kind.former(self._plan, model, self).digest

    def stated(self, kind: str, model: PlannedModel) -> frozenset[Stated]:
        """Return every parameter that a fingerprint holds, itself or through others."""
        return self._of(kind, model)[1]

    def read(self, kind: StageKind) -> list[str]:
        """Return the stages whose artifacts a stage reads and depends on, each once."""
        writers = (self._writers[artifact.name] for artifact in kind.reads if not artifact.of_data)
        return [name for name in dict.fromkeys(writers) if name != kind.name]

    def _of(self, name: str, model: PlannedModel) -> tuple[Fingerprint, frozenset[Stated]]:
        kind = self._kinds.get(name)
        if kind is None or kind.same_as is not None:
            assert self._stored is not None, name
            return self._stored._of(name, model)
        if (name, model.name) not in self._known:
            self._known[name, model.name] = self._made(kind, model)
        return self._known[name, model.name]

    def _made(self, kind: StageKind, model: PlannedModel) -> tuple[Fingerprint, frozenset[Stated]]:
        kept = list(dict.fromkeys([*self.read(kind), *kind.like]))
        for name in self.read(kind):
            others = [other for other in kept if other != name]
            if name not in kind.like and self.stated(name, model) <= self._all(others, model):
                kept.remove(name)
        parameters = kind.parameters(self._plan, model)
        inputs = {name: self.of(name, model).digest for name in kept}
        own = frozenset((kind.name, parameter) for parameter in parameters)
        return Fingerprint(parameters, inputs), own | self._all(kept, model)

    def _all(self, names: Iterable[str], model: PlannedModel) -> frozenset[Stated]:
        return frozenset().union(*(self.stated(name, model) for name in names))


__all__ = ["RunPrints"]
