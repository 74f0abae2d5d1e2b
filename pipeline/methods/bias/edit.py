"""Stage `edit-regions`: what the score of an attribute loses when a region is painted over or another view's is pasted there.

A key is a model and a block of views. What is stored of each edit is the score before, after, and after its control.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from filterscope.operators.bias.edits import centre, filled, moved, pasted
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.bias.artifacts import EDIT, EDITED, SCORES, edits_path, read_scores
from filterscope.pipeline.methods.bias.asked import labels_of, outputs_of
from filterscope.pipeline.methods.bias.options import EDITS, BiasOptions
from filterscope.pipeline.methods.bias.regions import Shown
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.tasks import ModelViewsTask, by_model_views, chosen_views
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.arrays import write_arrays

if TYPE_CHECKING:
    from filterscope.pipeline.models.network import Network

#: Views that are asked for one that shows the same region, at most.
_TRIES = 16


@dataclass(frozen=True)
class Sides:
    """Which views have an attribute and which have not, by score and, where it is known, label.

    Attributes
    ----------
    names : list of str
        The A outputs that are compared.
    scores : float32 ndarray of shape (views, A)
        Scores; NaN where a view was not mined.
    labels : int8 ndarray of shape (views, A)
        Labels; -1 where not known.
    order : int64 ndarray of shape (views,)
        Views in the order in which they are drawn.
    """

    names: list[str]
    scores: np.ndarray
    labels: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, plan: Plan, model: PlannedModel) -> "Sides":
        """Read scores and labels of a run."""
        names, scores = read_scores(plan, model.name)
        order = np.random.default_rng(seed_of("bias", plan.data_identity)).permutation(plan.view_count)
        return cls(names, scores, labels_of(plan, names), order)

    def labelled(self, attribute: int) -> bool:
        """Tell whether any view has a label of an attribute."""
        return bool((self.labels[:, attribute] >= 0).any())

    def having(self, attribute: int) -> np.ndarray:
        """Return the views that have an attribute, in the order in which they are drawn."""
        return self._drawn(attribute, self.scores[:, attribute] > 0, 1)

    def lacking(self, attribute: int) -> np.ndarray:
        """Return the views that have it not, likewise."""
        return self._drawn(attribute, self.scores[:, attribute] <= 0, 0)

    def _drawn(self, attribute: int, predicted: np.ndarray, label: int) -> np.ndarray:
        true = self.labels[:, attribute] == label if self.labelled(attribute) else True
        return np.asarray(self.order[(predicted & true)[self.order]])

    def contrast(self, attribute: int) -> float:
        """Return by how much the mean score of views that have an attribute exceeds that of those that have it not."""
        have, lack = (
            self.scores[np.sort(views), attribute] for views in (self.having(attribute), self.lacking(attribute))
        )
        if not len(have) or not len(lack):
            return np.nan
        return float(have.astype(np.float64).mean() - lack.astype(np.float64).mean())


@dataclass
class _Edits:
    """Edited images and what each is for; row k of `rows` is what image 2 k and its control, 2 k + 1, are edits of."""

    rows: list[tuple[int, int, int, int]] = field(default_factory=list)
    images: list[np.ndarray] = field(default_factory=list)
    attributes: list[list[int]] = field(default_factory=list)

    def add(
        self, view: int, region: int, edit: int, attributes: list[int], image: np.ndarray, control: np.ndarray
    ) -> None:
        """Add an edit of a region of a view, and its control, for some attributes."""
        self.rows.append((view, region, edit, len(self.rows)))
        self.attributes.append(attributes)
        self.images += [image, control]


class _Editor:
    """Called once for each block of views; holds the networks it used last, and the scores of one model."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()
        self._sides: tuple[str, Sides, Shown] | None = None

    def __call__(self, task: ModelViewsTask) -> list[Output]:
        plan, model, key = task.plan, task.model, task.key
        sides, shown = self._held(plan, model)
        found = _Found(len(sides.names))
        work = _drawn_for_edits(plan, sides, task.start, task.stop) if shown.regions else {}
        if work:
            network = self._networks.network(plan, model, ())
            names = network.class_names(
                network.scores(np.zeros((1, *model.transform.input_size, 3), np.uint8)).shape[1]
            )
            outputs = outputs_of(plan.of(BiasOptions), names, model.name)
            for view, attributes in work.items():
                found.add(network, outputs, _edits_of(plan, model, sides, shown, view, attributes), sides)
        digest = write_arrays(edits_path(plan.run, key.place), found.arrays())
        return [
            Output(key, len(found.rows), len(np.unique(plan.views.image[list(work)])), checksums={EDITED.name: digest})
        ]

    def _held(self, plan: Plan, model: PlannedModel) -> tuple[Sides, Shown]:
        if self._sides is None or self._sides[0] != model.name:
            self._sides = model.name, Sides.of(plan, model), Shown(plan, model)
        return self._sides[1:]


def _drawn_for_edits(plan: Plan, sides: Sides, start: int, stop: int) -> dict[int, list[int]]:
    """Return the views of a block that are edited, ascending, each with the attributes whose scores are followed."""
    found: dict[int, list[int]] = {}
    for attribute in range(len(sides.names)):
        if len(sides.lacking(attribute)):
            for view in sides.having(attribute)[: plan.of(BiasOptions).edit_views].tolist():
                if start <= view < stop:
                    found.setdefault(view, []).append(attribute)
    return dict(sorted(found.items()))


def _edits_of(
    plan: Plan,
    model: PlannedModel,
    sides: Sides,
    shown: Shown,
    view: int,
    attributes: list[int],
    only: str | None = None,
) -> _Edits:
    """Edit every region that a view shows, or only one of a name."""
    asked, found, pixels = plan.of(BiasOptions), _Edits(), _decoded(plan, model, view)
    for number, region in enumerate(shown.regions):
        mask = shown.of(view, region.name) if only in (None, region.name) else None
        if mask is None or mask.all():
            continue
        elsewhere = moved(mask, seed_of("bias", plan.data_identity, view, region.name))
        for edit in asked.edits:
            if edit != "paste":
                painted = (filled(pixels, where, edit) for where in (mask, elsewhere))
                found.add(view, number, EDITS.index(edit), attributes, *painted)
                continue
            for attribute in attributes:
                donors = [
                    _donor(shown, region.name, _start(view, attribute, views), view)
                    for views in (sides.lacking(attribute), sides.having(attribute))
                ]
                if None not in donors:
                    two = (_pasted(plan, model, pixels, mask, shown, region.name, donor) for donor in donors)
                    found.add(view, number, EDITS.index(edit), [attribute], *two)
    return found


def _start(view: int, attribute: int, views: np.ndarray) -> np.ndarray:
    """Return views in another order for each view and attribute: as they are drawn, begun at a place of its own."""
    return np.roll(views, -(seed_of(view, attribute) % max(len(views), 1)))


def _donor(shown: Shown, region: str, views: np.ndarray, but: int) -> int | None:
    """Return the first of some views that shows a region, other than that which is edited."""
    return next((v for v in views[:_TRIES].tolist() if v != but and shown.of(v, region) is not None), None)


def _pasted(
    plan: Plan, model: PlannedModel, pixels: np.ndarray, mask: np.ndarray, shown: Shown, region: str, donor: Any
) -> np.ndarray:
    there = shown.of(donor, region)
    assert there is not None
    shift = tuple(b - a for a, b in zip(centre(mask), centre(there), strict=True))
    return pasted(pixels, mask, _decoded(plan, model, donor), (shift[0], shift[1]))


def _decoded(plan: Plan, model: PlannedModel, view: int) -> np.ndarray:
    """Return the pixels of a view; raises RunError if it was decoded before and cannot be now."""
    decoded = chosen_views(plan, model, [view])
    if decoded.reasons[0]:
        raise RunError(f"view {view} was decoded before and cannot be now: {decoded.reasons[0]}")
    return decoded.pixels[0]


class _Found:
    """Scores before and after edits, a row per attribute, view, region and edit."""

    def __init__(self, attributes: int) -> None:
        self.rows: list[tuple[int, int, int, int]] = []
        self._scores: list[tuple[float, float, float]] = []

    def add(self, network: "Network", outputs: list[int], edits: _Edits, sides: Sides) -> None:
        """Score edited images; `outputs` are the indices of the attributes among the network's scores."""
        if not edits.images:
            return
        scores = network.scores(np.stack(edits.images))[:, outputs]
        for (view, region, edit, place), attributes in zip(edits.rows, edits.attributes, strict=True):
            for attribute in attributes:
                after, control = scores[2 * place : 2 * place + 2, attribute].tolist()
                self.rows.append((attribute, view, region, edit))
                self._scores.append((float(sides.scores[view, attribute]), after, control))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is stored: attribute, view, region and edit of every row, and score before, after and of the control."""
        return {
            "rows": np.array(self.rows, np.int32).reshape(-1, 4),
            "scores": np.array(self._scores, np.float32).reshape(-1, 3),
        }


class Redone:
    """Makes the edits of one model again, as pictures."""

    def __init__(self, plan: Plan, model: PlannedModel) -> None:
        self._plan, self._model = plan, model
        self._sides, self._shown = Sides.of(plan, model), Shown(plan, model)

    def pictures(self, attribute: str, region: str, view: int) -> dict[str, np.ndarray]:
        """Return a view as it is (`image`), edited (`mask`) and its control (`mask control`): uint8 (height, width, 3)."""
        number = self._sides.names.index(attribute)
        found = _edits_of(self._plan, self._model, self._sides, self._shown, view, [number], only=region)
        edited = {f"{EDITS[edit]}": found.images[2 * k] for k, (_, _, edit, _) in enumerate(found.rows)}
        controls = {f"{EDITS[edit]} control": found.images[2 * k + 1] for k, (_, _, edit, _) in enumerate(found.rows)}
        return {"image": _decoded(self._plan, self._model, view), **edited, **controls}


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what edits depend on beside the network, scores, and how it is run."""
    asked = plan.of(BiasOptions)
    return {
        "regions": list(asked.regions),
        "edits": list(asked.edits),
        "edit_views": asked.edit_views,
    }


EDITING = StageKind(
    EDIT,
    reads=(SCORES,),
    writes=(EDITED,),
    plan=by_model_views(partial(forward_step, actor=_Editor)),
    parameters=parameters,
    like=("extract",),
)

__all__ = ["EDITING", "Redone", "Sides"]
