"""Stage `and-or-parse`: where the templates of a draw find the part on held-out crops."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from filterscope.operators.and_or.growing import Template
from filterscope.operators.and_or.parsing import parse
from filterscope.operators.and_or.responses import LayerResponses
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.and_or.grow import PATTERNS, DrawTask, draws_of, parameters, read_templates
from filterscope.pipeline.methods.and_or.places import chosen_parses, place_rows
from filterscope.pipeline.methods.and_or.units import UNITS, read_responses
from filterscope.pipeline.methods.extraction.artifacts import MAPS, MAXIMA
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import key_of, one
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

NAME = "and-or-parse"


def plan_parsing(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a piece of work for each model, category and draw."""
    tasks = dict[Key, DrawTask]()
    for model, own, category, draw, block in draws_of(plan):
        key = key_of(kind, (model.name, block), model, prints)
        tasks[key] = DrawTask(key, own, model, category, draw, block)
    return one(kind, tasks, parse_heldout)


def parse_heldout(task: DrawTask) -> list[Output]:
    """Parse the held-out crops by every template of a draw, and write its part of `aog_parse`."""
    plan, parts = task.plan, task.parts()
    rows, held = task.templates(parts), parts.heldout
    views = parts.views.only(np.isin(np.arange(len(parts.image)), held))
    layers = [read_responses(plan, task.model, layer, views) for layer in task.layers]
    extent = task.model.geometry(plan.options.geometry).size
    pieces, places = [], list[dict[str, object]]()
    templates = read_templates(task, parts, rows, len(layers))
    for row, template in zip(rows.tolist(), templates, strict=True):
        centre, score = parse(template, layers, np.arange(len(held)), extent)
        shared = {"model": task.model.name, **task.names(), "template": int(parts.views.view[row])}
        columns = {
            **{name: [value] * len(held) for name, value in shared.items()},
            "view": views.view.astype(np.int32),
            "y": centre[:, 0],
            "x": centre[:, 1],
            "score": score,
        }
        pieces.append(pa.table(columns, schema=TABLES["aog_parse"]))
        if not task.draw:
            named = list(zip((layer.name for layer in task.layers), layers, strict=True))
            places += _places(template, named, shared, (views.view, centre, score), float(max(extent)))
    count, digest = write_table(plan.run, "aog_parse", task.key.place, pieces)
    drawn = pa.Table.from_pylist(places, schema=TABLES["aog_places"])
    _, other = write_table(plan.run, "aog_places", task.key.place, [drawn])
    return [Output(task.key, count, checksums={"aog_parse": digest, "aog_places": other})]


def _places(
    template: Template, layers: list[tuple[str, LayerResponses]], shared: dict[str, object],
    parsed: tuple[np.ndarray, np.ndarray, np.ndarray], side: float,
) -> Iterator[dict[str, object]]:  # fmt: skip
    """Yield where the patterns of a template lie on some of the held-out crops."""
    view, centre, score = parsed
    for at, name in chosen_parses(score):
        y, x = centre[at].tolist()
        own = {"view": int(view[at]), "parse": name, "score": float(score[at]), "part_y": y, "part_x": x}
        yield from place_rows(template, layers, at, {**shared, **own}, side)


PARSES = Table("aog_parse")
PARSE = StageKind(
    NAME,
    reads=(PATTERNS, *UNITS.writes, MAPS, MAXIMA),
    writes=(PARSES, Table("aog_places")),
    plan=plan_parsing,
    parameters=parameters,
)

__all__ = ["NAME", "PARSE", "PARSES"]
