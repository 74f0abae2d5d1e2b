"""Stage `and-or-answers`: the part graph grown from a person's answers, one by one, and how far off the part is after each.

A piece of work is a part of a category, in some layers, that a person answered about. The fingerprint holds every answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.and_or.answering import SAME, marked
from filterscope.operators.and_or.inquiry import Answer
from filterscope.operators.localization.measures import bootstrap_means, interval, normalised_distance
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.and_or.grown import Grown, Pool
from filterscope.pipeline.methods.and_or.options import AndOrOptions
from filterscope.pipeline.methods.and_or.person import ABSENT, MARKED, About, Told, kept_answers
from filterscope.pipeline.methods.and_or.places import chosen_parses, place_rows
from filterscope.pipeline.methods.and_or.units import UNITS
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

PERSON, MEAN, RANDOM = "person", "mean position", "random crops"
#: Random orders in which crops are marked.
RANDOM_SEEDS = 3


@dataclass(frozen=True)
class AnswersTask(ModelTask):
    """All answers about one part."""

    about: About
    told: tuple[Told, ...]


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the rows depend on beside responses: every answer that the run keeps, and whom chance may ask about."""
    told = {about.block: [[one.view, one.said, one.template, list(one.box)] for one in own]
            for about, own in kept_answers(plan, model).items()}  # fmt: skip
    return {"answers": told, "pool": plan.of(AndOrOptions).pool, "random_seeds": RANDOM_SEEDS, "same": SAME}


def plan_answers(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each part that answers are kept about."""
    tasks = dict[Key, AnswersTask]()
    for model, own in each_model(plan):
        for about, told in kept_answers(plan, model).items():
            key = key_of(kind, (model.name, about.block), model, prints)
            tasks[key] = AnswersTask(key, own, model, about, tuple(told))
    return one(kind, tasks, grow_by_answers)


def grow_by_answers(task: AnswersTask) -> list[Output]:
    """Replay the answers, and write the rows of `answered_localization` and `answered_places`."""
    pool = Pool.of(task.plan, task.model, task.about, task.told)
    grown = Grown.of(task.plan, task.model, task.about, pool, heldout=True)
    measured = list(_Measured(task, pool, grown).rows())
    checksums, count = {}, 0
    for name, rows in (("answered_localization", measured), ("answered_places", list(_places(task, pool, grown)))):
        table = pa.Table.from_pylist(rows, schema=TABLES[name])
        written, checksums[name] = write_table(task.plan.run, name, task.key.place, [table])
        count += written
    return [Output(task.key, count, checksums=checksums)]


class _Measured:
    """How far off the part is on the held-out crops after each answer."""

    def __init__(self, task: AnswersTask, pool: Pool, grown: Grown) -> None:
        parts = pool.parts
        self._task, self._pool, self._grown = task, pool, grown
        self._truth, self._image = parts.centre[parts.heldout], parts.image[parts.heldout]
        self._seed = seed_of("and-or", "answers", task.about.category, task.about.part)
        self._first: np.ndarray | None = None

    def rows(self) -> Iterator[dict[str, object]]:
        """Yield the rows: of the person, of the mean position of what they marked, and of random crops."""
        if not len(self._truth):
            return
        grown, places = self._grown, list[tuple[float, ...]]()
        for number, told in enumerate(self._task.told, 1):
            grown.take(told)
            if told.said in MARKED:
                places.append(told.part)
            if not places:
                continue
            found = [self._distance(grown)]
            if self._first is None:
                self._first = found[0]
            yield self._row(PERSON, number, found, len(places), _size(grown))
            mean = np.broadcast_to(np.array(places).mean(axis=0), self._truth.shape)
            yield self._row(MEAN, number, [self._off(mean)], len(places), (None, None))
        yield from self._random()

    def _random(self) -> Iterator[dict[str, object]]:
        """Yield what marking as many crops at random comes to: as many as the first 1, 2, 4, 8 ... and all answers mark."""
        parts, view = self._pool.parts, self._grown.view
        known = self._pool.rows[~np.isnan(parts.centre[self._pool.rows, 0])]
        told = len(self._task.told)
        shown = np.cumsum([one.said != ABSENT for one in self._task.told]).clip(max=len(known)).tolist()
        if self._first is None or not shown[-1]:
            return
        part = parts.centre[np.searchsorted(parts.views.view, view)]
        orders = []
        for seed in range(RANDOM_SEEDS):
            bits = np.random.PCG64(seed_of("and-or", "answers", "random", self._seed, seed)).random_raw(len(known))
            order = known[np.argsort(bits, kind="stable")[: shown[-1]]]
            orders.append(marked(np.searchsorted(view, parts.views.view[order]), part, self._grown.inquiry.extent))
        for number in sorted({*(2**k for k in range(told.bit_length())), told}):
            if count := shown[number - 1]:
                found, sizes = zip(*(self._marked(answers[:count]) for answers in orders), strict=True)
                templates, patterns = np.mean(np.array(sizes), axis=0).tolist()
                yield self._row(RANDOM, number, list(found), count, (templates, patterns))

    def _marked(self, answers: Sequence[Answer]) -> tuple[np.ndarray, tuple[float, float]]:
        """Return distances, and the size of the graph, that some marks come to."""
        grown = self._grown.again()
        for answer in answers:
            grown.inquiry.take(answer)
        return self._distance(grown), _size(grown)

    def _row(
        self, method: str, answers: int, found: Sequence[np.ndarray], annotated: float,
        size: tuple[float | None, float | None],
    ) -> dict[str, object]:  # fmt: skip
        own = np.stack(found)
        first = own[0] if self._first is None else self._first
        before = np.broadcast_to(first, own.shape).copy()
        mine, other = (bootstrap_means(values, self._image, self._seed) for values in (own, before))
        low, high = interval(mine)
        row = {
            **asdict(self._task.about), "method": method, "answers": answers, "annotated": float(annotated),
            "templates": size[0], "patterns": size[1], "images": own.shape[1], "distance": float(own.mean()),
            "distance_low": low, "distance_high": high,
        }  # fmt: skip
        if before.mean() > 0:
            less = 1 - np.divide(mine, other, out=np.full(len(mine), np.nan), where=other > 0)
            row["less"] = 1 - float(own.mean() / before.mean())
            row["less_low"], row["less_high"] = interval(less)
        return row

    def _distance(self, grown: Grown) -> np.ndarray:
        return self._off(grown.inquiry.parsed(grown.held)[0])

    def _off(self, found: np.ndarray) -> np.ndarray:
        return normalised_distance(found, self._truth, self._grown.inquiry.extent)


def _size(grown: Grown) -> tuple[float, float]:
    templates = grown.inquiry.templates
    return float(len(templates)), float(sum(template.count for template in templates))


def _places(task: AnswersTask, pool: Pool, grown: Grown) -> Iterator[dict[str, object]]:
    """Yield where the patterns of the last templates lie: on the crop that each began with, and on held-out ones it parses."""
    if len(grown.told) < len(task.told):  # nothing was measured
        for told in task.told[len(grown.told) :]:
            grown.take(told)
    if not grown.names:
        return
    inquiry = grown.inquiry
    side, layers = float(max(inquiry.extent)), list(zip(task.about.layers.split(","), inquiry.layers, strict=True))
    centre, score, best = (
        inquiry.parsed(grown.held) if len(grown.held) else (np.empty((0, 2)), np.empty(0), np.empty(0))
    )
    part_of = {told.view: told.part for told in task.told}
    for number, (first, template) in enumerate(zip(grown.names, inquiry.templates, strict=True)):
        shared = {**asdict(task.about), "answers": len(task.told), "template": first}
        y, x = part_of[first]
        own = {**shared, "view": first, "parse": "annotated", "score": None, "part_y": y, "part_x": x}
        yield from place_rows(template, layers, int(np.searchsorted(grown.view, first)), own, side)
        mine = np.flatnonzero(best == number)
        for at, name in chosen_parses(score[mine]):
            crop = int(grown.held[mine[at]])
            y, x = centre[mine[at]].tolist()
            parsed = {"view": int(grown.view[crop]), "parse": name, "score": float(score[mine[at]])}
            yield from place_rows(template, layers, crop, {**shared, **parsed, "part_y": y, "part_x": x}, side)


ANSWERS = StageKind(
    "and-or-answers",
    reads=(*UNITS.writes, MAPS, MAXIMA),
    writes=(Table("answered_localization"), Table("answered_places")),
    plan=plan_answers,
    parameters=parameters,
)

__all__ = ["ANSWERS", "MEAN", "PERSON", "RANDOM"]
