"""Stage `code-measures`: what the codes of a group tell of factors, and what a step along each does to decoded images.

A key is a model, a layer and a group, or a group and a block of directions.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from filterscope.operators.codes.dependence import association, binned, mutual_information, partial_spearman, spearman
from filterscope.operators.codes.effects import effects, random_directions
from filterscope.operators.codes.equivariance import TRANSFORMS, compared
from filterscope.operators.codes.morphometry import FACTORS
from filterscope.operators.codes.scores import scores
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.keys import Key, Keys
from filterscope.pipeline.engine.stage import Output, Stage, Work
from filterscope.pipeline.methods.codes import choices
from filterscope.pipeline.methods.codes.choices import choices_of, classed
from filterscope.pipeline.methods.codes.classifier import Classifier, digest_of
from filterscope.pipeline.methods.codes.directions import Moved, bases_of, directions_of, moved, steps_of
from filterscope.pipeline.methods.codes.encode import CODED, read_coded
from filterscope.pipeline.methods.codes.factors import stated
from filterscope.pipeline.methods.codes.options import CodesOptions
from filterscope.pipeline.methods.codes.subjects import (
    DIRECTIONS,
    Subject,
    direction_blocks,
    groups_of,
    measures_shapes,
    random_of,
    subjects,
)
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import each_model, key_of
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.arrays import write_arrays
from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace, Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

STAGE = "code-measures"
#: Bases whose pictures are kept, and longest side of these.
_SHOWN, _SIDE = 2, 64


def measured_path(run: Path, place: KeyPlace) -> Path:
    """Return where the measures of a group, or of a block of its directions, lie."""
    return run.joinpath(STAGE, *place[:-1], f"{place[-1]}.npz")


#: What the codes of a group tell and do.
MEASURED = Artifact.single("measured", measured_path)


@dataclass(frozen=True)
class MeasureTask:
    """One group, the directions `start` to `stop` - 1 of it, or none: then what its codes tell."""

    key: Key
    plan: Plan
    model: PlannedModel
    number: int
    group: int
    start: int = 0
    stop: int = 0

    @property
    def subject(self) -> Subject:
        """Whose codes."""
        return subjects(self.model)[self.number]


def plan_measures(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a key for each group, and for each block of its directions where the network decodes."""
    tasks = {}
    for model, own in each_model(plan):
        for number, subject in enumerate(subjects(model)):
            for group, block in groups_of(subject):
                key = key_of(kind, (model.name, subject.layer, block), model, prints)
                tasks[key] = MeasureTask(key, own, model, number, group)
                for start, stop, part in direction_blocks(plan, subject):
                    key = key_of(kind, (model.name, subject.layer, f"{block}-{part}"), model, prints)
                    tasks[key] = MeasureTask(key, own, model, number, group, start, stop)
    return [Stage(kind.name, Keys([list(tasks)]), partial(_works, tasks), (forward_step(plan, _Measurer),))]


def _works(tasks: dict[Key, MeasureTask], missing: Iterable[Key]) -> Iterator[Work]:
    for key in missing:
        yield Work((key,), tasks[key])


class _Measurer:
    """Called once for each group and block of directions; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()
        self._classifiers: dict[str, Classifier] = {}

    def __call__(self, task: MeasureTask) -> list[Output]:
        with threadpool_limits(1):  # more threads would round otherwise
            return self._decoded(task) if task.stop else _told(task, self._classes(task))

    def _decoded(self, task: MeasureTask) -> list[Output]:
        plan, model, subject = task.plan, task.model, task.subject
        bases = bases_of(plan, model, subject, task.group)
        directions = directions_of(plan, model, subject, task.group, bases.reach)[task.start : task.stop]
        count, checksums, arrays = len(directions), {}, {"bases": np.array(len(bases.codes))}
        if len(bases.codes):
            network = self._networks.network(plan, model, ())
            found = moved(network, self._classifier(plan), bases, task.group, directions, steps_of(plan))
            shapes = read_coded(plan, model, "shapes")["shapes"]
            scale = shapes.std(axis=0) if len(shapes) else np.zeros(len(FACTORS))
            arrays |= effects(found.shapes, steps_of(plan), scale)._asdict() | {"kept": found.kept}
            axes = min(max(subject.dims - task.start, 0), count)
            if axes:
                rows = _pictures(task, bases.views, found, axes)
                _, checksums["code_traversals"] = write_table(plan.run, "code_traversals", task.key.place, [rows])
        checksums[MEASURED.name] = write_arrays(measured_path(plan.run, task.key.place), arrays)
        return [Output(task.key, count, checksums=checksums)]

    def _classes(self, task: MeasureTask) -> dict[str, np.ndarray]:
        if not choices_of(task.model):
            return {}
        network = self._networks.network(task.plan, task.model, ())
        return classed(task.plan, task.model, task.subject, task.group, network, self._classifier(task.plan))

    def _classifier(self, plan: Plan) -> Classifier | None:
        text = plan.of(CodesOptions).classifier
        if text is None:
            return None
        if text not in self._classifiers:
            self._classifiers[text] = Classifier(text, plan.options.device)
        return self._classifiers[text]


def _pictures(task: MeasureTask, views: np.ndarray, found: Moved, axes: int) -> pa.Table:
    """Return the rows of `code_traversals` of the codes among a block's directions."""
    steps, rows = steps_of(task.plan), []
    image = task.plan.views.image
    for at in range(axes):
        for base in range(min(_SHOWN, len(views))):
            for step, value in enumerate(steps.tolist()):
                shown = found.images[at, base, step]
                stride = -(-max(shown.shape) // _SIDE)
                picture = np.rint(255 * shown[::stride, ::stride]).astype(np.uint8)
                rows.append(
                    {
                        "model": task.model.name,
                        "layer": task.subject.layer,
                        "group": task.group,
                        "code": task.start + at,
                        "base": base,
                        "image": None if views[base] < 0 else int(image[views[base]]),
                        "step": step,
                        "value": value,
                        "factors": found.shapes[at, base, step].astype(np.float32).tolist(),
                        "height": picture.shape[0],
                        "width": picture.shape[1],
                        "picture": picture.tobytes(),
                    }
                )
    return pa.Table.from_pylist(rows, schema=TABLES["code_traversals"])


def _told(task: MeasureTask, classes: dict[str, np.ndarray]) -> list[Output]:
    """Measure what the codes of a group tell of factors and transforms; beside it stands what their choices stand for."""
    plan, model = task.plan, task.model
    seed = seed_of("codes", plan.data_identity, model.name, task.subject.layer, task.group) % 2**63
    factors = known_factors(plan, model)
    arrays: dict[str, Any] = {
        "names": np.array(factors.names, str).reshape(-1),
        "provided": np.array(factors.attributes),
        "images": np.array(0),
        "shapes": read_coded(plan, model, "shapes").get("shapes", np.zeros((0, 0))),
        **classes,
    }
    if task.subject.encodes:
        codes = read_coded(plan, model, f"codes-{task.number}")[f"codes-{task.number}"][:, task.group].astype(
            np.float64
        )
        arrays |= _associated(plan, codes, factors, seed, task.subject.decodes)
        arrays |= _moved_with(task)
        arrays["images"] = np.array(len(codes))
    digest = write_arrays(measured_path(plan.run, task.key.place), arrays)
    return [Output(task.key, task.subject.dims, checksums={MEASURED.name: digest})]


@dataclass(frozen=True)
class Known:
    """Factors of the encoded views.

    Attributes
    ----------
    names : tuple of str
        Attributes first.
    attributes : int
        How many of them are attributes.
    values : float64 ndarray of shape (n, M)
        NaN where not known.
    classes : bool ndarray of shape (M,)
        Those whose numbers are names of classes.
    """

    names: tuple[str, ...]
    attributes: int
    values: np.ndarray
    classes: np.ndarray


def known_factors(plan: Plan, model: PlannedModel) -> Known:
    """Return the factors of the views of a model that were encoded."""
    asked, stored = plan.of(CodesOptions), read_coded(plan, model, "views", "shapes")
    image = plan.views.image[stored["views"]]
    names: tuple[str, ...] = ()
    values, classes = np.zeros((len(image), 0)), np.zeros(0, bool)
    if asked.factors != "morphometry":
        found = stated(Dataset(plan.data), asked.attributes)
        names, values, classes = found.names, found.values[image], found.classes
    count = len(names)
    if measures_shapes(plan, model):
        taken = tuple(f"{name} (measured)" if name in names else name for name in FACTORS)
        names, values = (*names, *taken), np.column_stack([values, stored["shapes"]])
        classes = np.append(classes, np.zeros(len(FACTORS), bool))
    return Known(names, count, values, classes)


def _associated(plan: Plan, codes: np.ndarray, factors: Known, seed: int, decodes: bool) -> dict[str, Any]:
    """Return what codes tell of factors, beside permuted images, rotated codes and, without a decoder, random directions."""
    values, classes, count = factors.values, factors.classes, codes.shape[1]
    told = association(codes, values, seed)
    ranks, partial_ranks = (np.full(told.p.shape, np.nan) for _ in range(2))
    ranks[:, ~classes] = spearman(codes, values[:, ~classes])
    for own in (np.arange(len(classes)) < factors.attributes, np.arange(len(classes)) >= factors.attributes):
        kept = own & ~classes
        if kept.any():
            partial_ranks[:, kept] = partial_spearman(codes, values[:, kept])
    spread = codes.std(axis=0)
    standard = (codes - codes.mean(axis=0)) / np.where(spread > 0, spread, 1)
    random = random_of(plan, "rotated", seed)
    turned = standard @ np.linalg.qr(random.standard_normal((count, count)))[0]
    arrays = {
        "information": told.information, "null": told.null, "association_p": told.p,
        "spearman": ranks, "partial_spearman": partial_ranks, "variance": spread**2,
        "scores": np.array(scores(codes, values, classes, seed)),
        "scores_rotated": np.array(scores(turned, values, classes, seed)),
    }  # fmt: skip
    if not decodes:
        free = spread > 0
        directions = np.zeros((plan.of(CodesOptions).directions, count))
        directions[:, free] = random_directions(len(directions), int(free.sum()), random)
        arrays["random_information"] = _information_of(standard @ directions.T, values, random)
    return arrays


def _information_of(codes: np.ndarray, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the information of codes on factors above that of one permutation of the images, not below 0."""
    found = np.zeros((codes.shape[1], values.shape[1]))
    for number, column in enumerate(values.T):
        known = ~np.isnan(column)
        if len(np.unique(column[known])) < 2:
            continue
        own, bins = binned(codes[known]), binned(column[known, None])[:, 0]
        null = mutual_information(own, random.permutation(bins)).mean()
        found[:, number] = np.maximum(mutual_information(own, bins) - null, 0)
    return found


def _moved_with(task: MeasureTask) -> dict[str, np.ndarray]:
    """Return the R2 of codes and controls for each transform, float64 of shape (transforms, 4), and the images."""
    name = f"moved-codes-{task.number}"
    stored = read_coded(task.plan, task.model, name, "moved-pixels", "moved-plain", "sizes")
    count, found = len(stored.get("sizes", ())), np.full((len(TRANSFORMS), 4), np.nan)
    if count >= 15:  # a third is held out, and the rest is cut into five folds
        codes, plain = stored[name][:, :, task.group], stored["moved-plain"].astype(np.float32)
        for at, kind in enumerate(TRANSFORMS):
            controls = [stored["moved-pixels"][:, at], *([plain[:, at]] if plain.shape[2] else [])]
            told = compared(
                codes[:, at], controls, stored["sizes"][:, at],
                random_of(task.plan, "held out", kind, task.subject.layer, task.group),
            )  # fmt: skip
            found[at] = told if len(controls) == 2 else [*told[:2], np.nan, told[2]]
    return {"equivariance": found, "moved": np.array(count)}


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what measures depend on beside the codes."""
    asked = plan.of(CodesOptions)
    return {
        "factors": asked.factors,
        "attributes": asked.attributes,
        "directions": asked.directions,
        "bases": asked.bases,
        "steps": asked.steps,
        "block": DIRECTIONS,
        "classifier": digest_of(asked.classifier),
        **choices.parameters(model),
    }


MEASURE = StageKind(
    STAGE,
    reads=(CODED,),
    writes=(MEASURED, Table("code_traversals")),
    plan=plan_measures,
    parameters=parameters,
)

__all__ = ["MEASURE", "MEASURED", "STAGE", "Known", "known_factors", "measured_path"]
