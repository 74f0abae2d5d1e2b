"""Stage `parses`: a head for each layer, the parses of held-out boxes, and what their leaves carry."""

from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.parses.agreement import agreement, entropies
from filterscope.operators.parses.grid import grid_of
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.outputs import truth
from filterscope.pipeline.methods.parses.cells import CELLS
from filterscope.pipeline.methods.parses.drawn import pictures
from filterscope.pipeline.methods.parses.marks import Marks, marked
from filterscope.pipeline.methods.parses.options import ParsesOptions
from filterscope.pipeline.methods.parses.parsed import SEEDS, Parsed, parsed
from filterscope.pipeline.methods.tasks import LayerTask, by_layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Permutations of the categories.
PERMUTATIONS = 199
_TABLES = ("parses", "parse_nodes", "parse_trees", "parse_summary", "parse_pictures")


def measure(task: LayerTask) -> list[Output]:
    """Parse the boxes of one layer and write its rows of the five tables."""
    found = parsed(task)
    parts = {
        "parses": _boxes(found),
        "parse_nodes": _nodes(found, marked(task, found)),
        "parse_trees": _trees(found),
        "parse_summary": _summary(found, seed_of("parses", "permuted", task.plan.data_identity)),
        "parse_pictures": pictures(task, found),
    }
    rows, checksums = 0, {}
    for name, own in parts.items():
        schema = TABLES[name]
        told = [{"model": task.model.name, "layer": task.layer.name, **row} for row in own]
        columns = [pa.array([row.get(f.name) for row in told], f.type, from_pandas=True) for f in schema]
        table = pa.Table.from_arrays(columns, schema=schema)
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, [table])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


def _boxes(found: Parsed) -> list[dict[str, Any]]:
    boxes, names = found.boxes, found.boxes.names
    return [
        {
            "box": number,
            "view": int(boxes.view[number]),
            "object": int(boxes.object[number]) if boxes.object[number] >= 0 else None,
            "category": names[found.category[row]],
            "predicted": names[found.predicted[row]],
            "score": found.parses.score[row],
            "margin": found.parses.margin[row],
            "tree": found.trees[found.tree[row]],
            "leaves": int(found.parses.leaves[row].sum()),
            "depth": int(found.parses.depth[row]),
        }
        for row, number in enumerate(found.row.tolist())
    ]


def dropped(found: Parsed) -> tuple[np.ndarray, np.ndarray]:
    """Return what the score loses without each rectangle, and without others of as many cells: float64 of shape (n, R).

    The second is NaN where no other rectangle has as many cells.
    """
    area = grid_of(_cells(found)).cells.sum(axis=1)
    drop = found.parses.score[:, None] - found.deleted
    others = (area[:, None] == area) & ~np.eye(len(area), dtype=bool)
    count = others.sum(axis=1)
    mean = (drop @ others.T.astype(np.float64)) / np.maximum(count, 1)
    return drop, np.where(count > 0, mean, np.nan)


def _cells(found: Parsed) -> int:
    """Return the rows of the grid, of which there are (k (k + 1) / 2)^2 rectangles."""
    return int((np.sqrt(1 + 8 * np.sqrt(found.leaf.shape[1])) - 1) / 2 + 0.5)


def _nodes(found: Parsed, marks: Marks) -> list[dict[str, Any]]:
    rectangles = grid_of(_cells(found)).rectangles
    drop, random = dropped(found)
    rows = []
    for category in np.unique(found.category).tolist():
        mine = np.flatnonzero(found.category == category)
        used = found.parses.leaves[mine]
        for node in np.flatnonzero(used.any(axis=0)).tolist():
            own = mine[used[:, node]]
            top, left, bottom, right = rectangles[node].tolist()
            rows.append(
                {
                    "category": found.boxes.names[category],
                    "y": top, "x": left, "height": bottom - top, "width": right - left,
                    "boxes": len(own),
                    "share": len(own) / len(mine),
                    "mean_score": float(found.leaf[own, node].mean()),
                    "deletion": float(drop[own, node].mean()),
                    "deletion_random": float(random[own, node].mean()),
                    **marks.row(own, mine, rectangles[node], _cells(found)),
                }
            )  # fmt: skip
    return rows


def _trees(found: Parsed) -> list[dict[str, Any]]:
    """Return the trees of each category, the most frequent first."""
    rows = []
    for category in np.unique(found.category).tolist():
        mine = found.category == category
        trees, counts = np.unique(found.tree[mine], return_counts=True)
        for place in np.lexsort((trees, -counts)).tolist():
            elsewhere = float((found.tree[~mine] == trees[place]).mean()) if (~mine).any() else None
            rows.append(
                {
                    "category": found.boxes.names[category],
                    "tree": found.trees[trees[place]],
                    "boxes": int(counts[place]),
                    "share": float(counts[place] / mine.sum()),
                    "share_others": elsewhere,
                }
            )
    return rows


def _summary(found: Parsed, seed: int) -> list[dict[str, Any]]:
    """Return a row for all categories together and one for each."""
    classes = len(found.boxes.names)
    sizes = np.bincount(found.category, minlength=classes)
    random = np.random.default_rng(seed)
    draws = np.stack([entropies(found.tree, random.permutation(found.category), classes) for _ in range(PERMUTATIONS)])
    own = entropies(found.tree, found.category, classes)
    rows = []
    for category in (None, *np.flatnonzero(sizes).tolist()):
        mine = np.ones(len(found.row), bool) if category is None else found.category == category
        weight = sizes / sizes.sum() if category is None else np.eye(classes)[category]
        entropy, null = float(own @ weight), draws @ weight
        rows.append(
            {
                "category": None if category is None else found.boxes.names[category],
                **_means(found, mine),
                "entropy": entropy,
                "entropy_null": float(null.mean()),
                # sums in another order may differ in the last bit
                "entropy_p": float((1 + (null <= entropy + 1e-9).sum()) / (1 + PERMUTATIONS)),
            }
        )
    return rows


def _means(found: Parsed, mine: np.ndarray) -> dict[str, Any]:
    drop, random = dropped(found)
    leaves = found.parses.leaves[mine]
    known = random[mine][leaves]
    same = agreement(found.tree[mine], found.reseeded[mine])
    mirrored = mine & (found.unflipped >= 0)
    flips = agreement(found.tree[mirrored], found.unflipped[mirrored])
    few = mirrored.sum() < 2
    return {
        "boxes": int(mine.sum()),
        "accuracy": float((found.predicted == found.category)[mine].mean()),
        "accuracy_pooled": float((found.pooled == found.category)[mine].mean()),
        "constant": float((found.category[mine] == found.constant).mean()),
        "mean_leaves": float(leaves.sum(axis=1).mean()),
        "deletion": float(drop[mine][leaves].mean()),
        "deletion_random": float(np.nanmean(known)) if not np.isnan(known).all() else None,
        "flip_agreement": None if few else flips[0],
        "flip_chance": None if few else flips[1],
        "seed_agreement": same[0],
        "seed_chance": same[1],
    }


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what parses depend on beside the cells and the data set."""
    asked = plan.of(ParsesOptions)
    return {
        "and": asked.combine,
        "heldout": asked.heldout,
        "features": asked.features,
        "steps": asked.steps,
        "pictures": asked.pictures,
        "seeds": SEEDS,
        "permutations": PERMUTATIONS,
        **truth.parameters(plan, model),
    }


PARSE = StageKind(
    "parses",
    reads=(CELLS,),
    writes=tuple(Table(name) for name in _TABLES),
    plan=by_layer(measure),
    parameters=parameters,
)

__all__ = ["PARSE", "PERMUTATIONS", "dropped", "measure"]
