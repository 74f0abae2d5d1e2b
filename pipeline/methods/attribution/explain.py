"""Explain one prediction by many methods, each beside the same method on a random network and what looks at no network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import numpy as np

from filterscope.operators.attribution.pointing import says_nothing
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.asked import class_asked, layer_asked, model_asked, rejected, view_asked
from filterscope.pipeline.methods.attribution.block import Block, compared
from filterscope.pipeline.methods.attribution.controls import randomised
from filterscope.pipeline.methods.attribution.drawn import LEARNED, drawn_views, learned_from
from filterscope.pipeline.methods.attribution.explainers import (
    BASELINES,
    EXPLAINERS,
    known,
    made,
    needs_layer,
    takes,
)
from filterscope.pipeline.methods.attribution.options import AttributionOptions
from filterscope.pipeline.methods.attribution.prediction import NONE, RANDOM, TRAINED, Explained, Prediction
from filterscope.pipeline.methods.attribution.regions import named_regions, regions_of
from filterscope.pipeline.methods.attribution.signal import read_patterns
from filterscope.pipeline.methods.attribution.stage import COSTLY, projected_passes
from filterscope.pipeline.methods.extraction.networks import open_network
from filterscope.pipeline.methods.outputs.stage import probabilities
from filterscope.pipeline.models.arithmetic import settle_torch
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.patterns import Patterns, fit_patterns
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.promises import DamagedError
from filterscope.pipeline.views.decode import decode_views, view_files

#: Classes of highest score that are told.
TOP = 5
#: Forward passes that a view takes as long as from which patterns are learned, measured on SqueezeNet and rounded.
_LEARNING = 8

Tell = Callable[[str], None]


def _silent(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Question:
    """A prediction that is to be explained, its network open.

    Attributes
    ----------
    plan, model, network
        The run, the model and its network.
    view, target : int
        The view, and the class whose score is explained.
    pixels : uint8 ndarray of shape (height, width, 3)
        The view as the network sees it.
    scores : float32 ndarray of shape (classes,)
        Scores of all classes.
    methods : tuple of str
        Methods that explain it.
    optional : frozenset of str
        Those that nobody asked for by name: they are left out where they do not fit the network.
    layer : str, optional
        Layer of the methods that explain by one.
    """

    plan: Plan
    model: PlannedModel
    network: Network
    view: int
    target: int
    pixels: np.ndarray
    scores: np.ndarray
    methods: tuple[str, ...]
    optional: frozenset[str]
    layer: str | None

    @cached_property
    def names(self) -> list[str]:
        """Names of the classes."""
        return self.network.class_names(len(self.scores))

    @property
    def said(self) -> str:
        """The question in a line."""
        rank = _rank(self.scores, self.target)
        return (
            f"view {self.view} of image {int(self.plan.views.image[self.view])}, {self.model.name}: class {self.target}, "
            f"{self.names[self.target]}, score {self.scores[self.target]:.4g}, rank {rank:,} of {len(self.scores):,}"
        )

    def costs(self) -> Iterator[str]:
        """Yield what each slow method will cost, the random network included, from a batch that is timed."""
        slow = {name: passes for name in self.methods if (passes := passes_of(self.plan, self.model, name)) >= COSTLY}
        if slow:
            began, size = perf_counter(), self.network.batch_size
            self.network.scores(np.repeat(self.pixels[None], size, axis=0))
            each = (perf_counter() - began) / size
            for name, passes in slow.items():
                took = f"{2 * passes:,.0f} forward passes, about {2 * passes * each:,.0f} s"
                yield f"{name} takes {took}, half of it on the random network"

    def explained(self, tell: Tell = _silent) -> Prediction:
        """Compute all maps; `tell` receives a line for each method."""
        regions = self._regions()
        images, targets = self.pixels[None], np.array([self.target])
        block = Block.of(self.plan.data_identity, np.array([self.view]), images, targets, [regions])
        tell("putting the weights of a second network into another order...")
        networks = {TRAINED: self.network, RANDOM: randomised(self.plan, self.model, "all")}
        learned = _Learned(self.plan, self.model)
        found: list[Explained] = []
        for name in self.methods:
            began = perf_counter()
            try:
                both = [self._explained(block, name, network, label, learned) for label, network in networks.items()]
            except InputError as error:
                if name not in self.optional:
                    raise InputError(f"{self.model.name}: {error}. Drop {name} from --methods.") from error
                tell(f"{name} is left out: {error}")
                continue
            nothing = both[0].nothing
            tell(f"{name}: {perf_counter() - began:.1f} s{f'; {nothing}' if nothing else ''}")
            found += both
        found += [self._explained(block, name, self.network, NONE, learned) for name in BASELINES]
        return self._prediction(regions, tuple(found))

    def _explained(self, block: Block, name: str, network: Network, label: str, learned: "_Learned") -> Explained:
        layer = self.layer if needs_layer(name) else None
        patterns = learned.patterns(network, label) if takes(name, "patterns") else None
        found = block.explained(made(name, layer, patterns), network)
        values, regions = found.maps[0], block.regions[0]
        nothing = "the map holds NaN or infinities" if not np.isfinite(values).all() else ""
        if not nothing and says_nothing(values):
            nothing = "the map says nothing: it is nowhere positive, or the same everywhere"
        fit = None if found.fit is None or np.isnan(found.fit[0]) else float(found.fit[0])
        rows = tuple(compared(values, regions)) if regions else ()
        return Explained(name, label, layer, values, float(found.passes), fit, nothing, rows)

    def _regions(self) -> dict[str, np.ndarray]:
        """Return the annotated regions that the view shows; none where the data set has none."""
        asked = self.plan.of(AttributionOptions).regions
        try:
            named = named_regions(Dataset(self.plan.data), asked)
        except InputError:
            if asked:
                raise
            return {}
        return regions_of(self.plan, self.model, named, self.view, self.view + 1)[0]

    def _prediction(self, regions: dict[str, np.ndarray], found: tuple[Explained, ...]) -> Prediction:
        share = probabilities(self.scores[None])[0]
        best = np.argsort(-self.scores, kind="stable")[:TOP].tolist()
        image = int(self.plan.views.image[self.view])
        return Prediction(
            model=self.model.name,
            image=image,
            view=self.view,
            file=view_files(Dataset(self.plan.data), np.array([image]))[0],
            target=self.target,
            name=self.names[self.target],
            rank=_rank(self.scores, self.target),
            classes=len(self.scores),
            score=float(self.scores[self.target]),
            probability=float(share[self.target]),
            top=tuple((index, self.names[index], float(self.scores[index]), float(share[index])) for index in best),
            pixels=self.pixels,
            regions=regions,
            found=found,
            weights=self.model.weights_sha256,
            data=self.plan.data_identity,
        )


class _Learned:
    """Patterns of the network and of the random one: those of the run, or fitted once where it has none."""

    def __init__(self, plan: Plan, model: PlannedModel) -> None:
        self._plan, self._model, self._held = plan, model, dict[str, Patterns]()

    def patterns(self, network: Network, label: str) -> Patterns:
        if label not in self._held:
            try:
                found = read_patterns(self._plan.run, self._model.name, TRAINED if label == TRAINED else "all")
            except DamagedError:  # or never written
                found = fit_patterns(network, learned_from(self._plan, self._model))
            self._held[label] = found
        return self._held[label]


def ask(
    plan: Plan,
    image: int,
    *,
    view: int | None = None,
    model: str | None = None,
    target: str = "predicted",
    methods: Iterable[str] | None = None,
    layer: str | None = None,
) -> Question:
    """Open what a question is about.

    Parameters
    ----------
    plan : Plan
        The run.
    image : int
        Number of the image.
    view : int, optional
        Number of one of its views; by default the first.
    model : str, optional
        Name of the model, where there are several.
    target : str
        The class; see `asked.class_asked`.
    methods : iterable of str, optional
        Names of `EXPLAINERS`; by default those that take fewer than `COSTLY` forward passes, and those of the run.
    layer : str, optional
        See `asked.layer_asked`.

    Raises
    ------
    InputError
        If one of these is not there, the image cannot be decoded, or the network gives no scores of classes.
    RunError
        If the weights or the preprocessing changed since the run was planned.
    """
    planned = model_asked(plan, model)
    chosen = view_asked(plan, image, view)
    names, optional = _methods(plan, planned, methods)
    pixels = _decoded(plan, planned, image, chosen)
    settle_torch()
    network = open_network(plan, planned, ())
    try:
        scores = network.scores(pixels[None])[0]
    except InputError as error:
        raise InputError(f"{planned.name}: {error}. There is no score to explain; choose another model.") from error
    if not np.isfinite(scores).all():
        raise InputError(f"{planned.name}: scores of view {chosen} are NaN or infinite; there is nothing to explain")
    classes = network.class_names(len(scores))
    asked = class_asked(plan, network, scores, target, chosen, classes)
    own = layer or plan.of(AttributionOptions).layer
    tapped = layer_asked(planned, network, own).name if any(map(needs_layer, names)) else None
    return Question(plan, planned, network, chosen, asked, pixels, scores, names, optional, tapped)


def _methods(plan: Plan, model: PlannedModel, asked: Iterable[str] | None) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the methods, and which of them nobody named."""
    if asked is not None:
        try:
            return tuple(known(asked)), frozenset()
        except ValueError as error:
            raise InputError(f"--methods: expected {error}") from None
    named: Sequence[str] = plan.of(AttributionOptions).methods if "attribution" in plan.options.methods else ()
    fast = {name for name in EXPLAINERS if passes_of(plan, model, name) < COSTLY}
    return tuple(known({*named, *fast})), frozenset(fast - {*named})


def passes_of(plan: Plan, model: PlannedModel, name: str) -> float:
    """Return how many forward passes it takes as long as to explain one view, and to learn first where the method does."""
    learned = _LEARNING * len(drawn_views(plan, LEARNED)) if takes(name, "patterns") else 0
    return projected_passes(model, name) + learned


def _decoded(plan: Plan, model: PlannedModel, image: int, view: int) -> np.ndarray:
    if why := rejected(plan, image):
        raise InputError(f"--image {image} was rejected by this run: {why}")
    decoded = decode_views(Dataset(plan.data), plan.views, [view], model.geometry(plan.options.geometry))
    if decoded.reasons[0]:
        raise InputError(f"--image {image} cannot be decoded: {decoded.reasons[0]}")
    return decoded.pixels[0]


def _rank(scores: np.ndarray, target: int) -> int:
    return int((scores > scores[target]).sum()) + 1


__all__ = ["TOP", "Question", "ask", "passes_of"]
