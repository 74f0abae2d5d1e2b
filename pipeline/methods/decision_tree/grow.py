"""Stage `decision-tree`: grow the tree of one category at one layer, silence the filters of each part, and write it all."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from filterscope.operators.decision_tree.pool import Pooled, pool
from filterscope.operators.decision_tree.tree import BETA, grow
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.decision_tree.asked import categories_asked
from filterscope.pipeline.methods.decision_tree.options import DecisionTreeOptions
from filterscope.pipeline.methods.decision_tree.parts import PartPlaces
from filterscope.pipeline.methods.decision_tree.pooled import CLASSES, POOLED, SCORES, pixels_of, read_questions
from filterscope.pipeline.methods.decision_tree.reading import Rows, TreeTask
from filterscope.pipeline.methods.decision_tree.study import Study
from filterscope.pipeline.methods.decision_tree.tables import tables_of
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import each_model, key_of
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table

if TYPE_CHECKING:
    from filterscope.pipeline.models.network import Network

#: Fewer views of positive score and with a gradient than this grow no tree.
FEWEST = 10
TABLES_WRITTEN = ("decision_trees", "decision_nodes", "decision_paths", "decision_contributions", "decision_summary")


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what trees depend on beside pooled gradients."""
    asked = plan.of(DecisionTreeOptions)
    return {
        "alpha": asked.alpha,
        "omega": asked.omega,
        "nearest": asked.nearest,
        "cuts": list(asked.cuts),
        "deletions": asked.deletions,
        "beta": BETA,
        "fewest": FEWEST,
    }


def plan_trees(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a tree for each model, layer and category."""
    tasks: dict[Key, TreeTask] = {}
    for model, own in each_model(plan):
        for layer in model.layers:
            for category in categories_asked(plan):
                block = "images" if category is None else "of-" + quote(category, safe="")
                key = key_of(kind, (model.name, layer.name, block), model, prints)
                tasks[key] = TreeTask(key, own, model, layer, category)

    return [replace(Stage.of(kind.name, tasks, _Grower), steps=(forward_step(plan, _Grower),))]


class _Grower:
    """Called once for each tree; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: TreeTask) -> list[Output]:
        plan, model = task.plan, task.model
        (question,) = (q for q in read_questions(plan, model) if q.category == task.category)
        rows = Rows.of(task)
        chosen = rows.member & (rows.score > 0)
        both = pool(
            rows.maps.astype(np.float64),
            rows.slopes.astype(np.float64),
            rows.score.astype(np.float64),
            task.layer.height * task.layer.width,
            chosen,
        )
        kept = np.flatnonzero(chosen & (both.length > 0))
        study = None if len(kept) < FEWEST else self._study(task, rows, both, kept)
        parts = PartPlaces.of(plan, model, task.category, rows.view[kept]).names if study is None else study[1]
        written = tables_of(task, question, rows, kept, None if study is None else study[0], parts)
        count, checksums = 0, {}
        for name in TABLES_WRITTEN:
            if name in written:
                number, checksums[name] = write_table(plan.run, name, task.key.place, [written[name]])
                count += number
        return [Output(task.key, count, checksums=checksums)]

    def _study(self, task: TreeTask, rows: Rows, both: Pooled, kept: np.ndarray) -> tuple[Study, list[str]]:
        asked = task.plan.of(DecisionTreeOptions)
        places = PartPlaces.of(task.plan, task.model, task.category, rows.view[kept])
        part_of = places.assigned(rows.peaks[kept].astype(np.int64), task.layer)
        positives, negatives = both.take(kept), both.take(~rows.member)
        tree = grow(
            positives,
            negatives,
            nearest=asked.neighbours,
            omega=asked.omega,
            mode=asked.alpha,
        )
        drops = self._drops(task, rows, kept, part_of, len(places.names), asked.deletions)
        study = Study(positives, negatives, tree, asked.alpha, asked.cuts, part_of, len(places.names), drops)
        return study, places.names

    def _drops(
        self, task: TreeTask, rows: Rows, kept: np.ndarray, part_of: np.ndarray, parts: int, most: int
    ) -> np.ndarray:
        """Return by how much scores fall without each part's filters, float64 of shape (n, parts), NaN where not tried."""
        from filterscope.pipeline.models.deletion import scores_without

        drops = np.full((len(kept), parts), np.nan)
        filled = [part for part in range(parts) if (part_of == part).any()]
        tried = np.unique(np.linspace(0, len(kept) - 1, min(most, len(kept))).astype(np.int64)) if most else kept[:0]
        if not filled or not len(tried):
            return drops
        network: Network = self._networks.network(task.plan, task.model, ())
        size = task.plan.options.image_block
        for start in range(0, len(tried), size):
            here = tried[start : start + size]
            pixels = pixels_of(task.plan, task.model, rows.view[kept[here]].astype(np.int64))
            own = rows.classes[kept[here]]
            for part in filled:
                left = scores_without(network, pixels, task.layer.name, np.flatnonzero(part_of == part))
                drops[here, part] = rows.score[kept[here]] - left[np.arange(len(here)), own].astype(np.float64)
        return drops


DECISION_TREE = StageKind(
    "decision-tree",
    reads=(POOLED, SCORES, CLASSES),
    writes=tuple(Table(name) for name in TABLES_WRITTEN),
    plan=plan_trees,
    parameters=parameters,
)

__all__ = ["DECISION_TREE", "FEWEST"]
