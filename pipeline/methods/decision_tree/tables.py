"""The tables of one tree."""

from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.decision_tree.explain import Explained
from filterscope.pipeline.methods.decision_tree.asked import Question
from filterscope.pipeline.methods.decision_tree.reading import Rows, TreeTask
from filterscope.pipeline.methods.decision_tree.study import Study
from filterscope.schemas.results import TABLES

#: Filters of a node, filters of a view, and views of a node that are listed.
_OF_NODE, _OF_VIEW, _SHOWN = 20, 5, 12


def tables_of(
    task: TreeTask, question: Question, rows: Rows, kept: np.ndarray, study: Study | None, parts: list[str]
) -> dict[str, pa.Table]:
    """Return the tables by name; without a tree that of the counts alone.

    Parameters
    ----------
    task : TreeTask
        Which tree.
    question : Question
        What was asked.
    rows : Rows
        All views.
    kept : int64 ndarray of shape (n,)
        Rows of the positives.
    study : Study, optional
        The tree.
    parts : list of str
        Names of the parts.
    """
    head = {"model": task.model.name, "layer": task.layer.name, "category": task.category}
    found = {"decision_trees": [_tree(question, rows, kept, study, parts)]}
    if study is not None:
        view = rows.view[kept]
        image = task.plan.views.image[view]
        found["decision_nodes"] = _nodes(study, view)
        found["decision_paths"] = _paths(study, view, image)
        found["decision_contributions"] = _contributions(study, view, image, parts)
        found["decision_summary"] = list(study.summaries())
    return {name: _table(name, head, made) for name, made in found.items()}


def _table(name: str, head: dict[str, Any], rows: list[dict[str, Any]]) -> pa.Table:
    schema = TABLES[name]
    columns = {key: [value] * len(rows) for key, value in head.items()}
    columns |= {field.name: [row[field.name] for row in rows] for field in schema if field.name not in head}
    return pa.Table.from_arrays(
        [pa.array(columns[f.name], f.type, from_pandas=f.nullable) for f in schema], schema=schema
    )


def _tree(question: Question, rows: Rows, kept: np.ndarray, study: Study | None, parts: list[str]) -> dict[str, Any]:
    chosen = rows.member & (rows.score > 0)
    found: dict[str, Any] = {
        "target": question.target,
        "target_by": question.by,
        "views": int(rows.member.sum()),
        "not_positive": int((rows.member & ~chosen).sum()),
        "no_gradient": int(chosen.sum()) - len(kept),
        "positives": len(kept),
        "negatives": int((~rows.member).sum()),
        "parts": parts,
        "part_filters": [int((study.part_of == part).sum()) if study else 0 for part in range(len(parts))],
        "deletions": int((~np.isnan(study.drops)).any(axis=1).sum()) if study else 0,
        **dict.fromkeys(("second", "agreement", "linear_share", "pooled_share", "majority")),
    }
    if study is not None:
        own = study.positives
        above = np.append(own.y > 0, study.negatives.y > 0).mean()
        found |= {
            "second": study.tree.second,
            "agreement": min(float(study.cosine[:, -1].min()), 1.0),
            "linear_share": float(np.median(rows.linear[kept] / rows.score[kept])),
            "pooled_share": float(np.median((own.g * own.x).sum(axis=1) / own.y)),
            "majority": float(max(above, 1 - above)),
        }
    return found


def _nodes(study: Study, view: np.ndarray) -> list[dict[str, Any]]:
    tree, own, found = study.tree, study.positives, []
    parent, count = tree.parent, tree.leaves
    extent = own.y * own.length
    for node, members in enumerate(tree.members()):
        images = own.take(members)
        said = Explained.by(images, tree.nodes.take(np.full(len(members), node)))
        mean = said.contributions.mean(axis=0)
        largest = np.argsort(-np.abs(mean), kind="stable")[:_OF_NODE]
        parts = said.parts(study.part_of, study.parts) * images.length[:, None]
        near = members[np.argsort(-study.cosine[members, node], kind="stable")[:_SHOWN]]
        fitness = said.fitness(images)
        error = np.abs(said.score * images.length - extent[members]).mean() / max(np.ptp(extent), 1e-300)
        found.append(
            {
                "node": node,
                "parent": None if parent[node] < 0 else int(parent[node]),
                "left": None if tree.left[node] < 0 else int(tree.left[node]),
                "right": None if tree.right[node] < 0 else int(tree.right[node]),
                "views": len(members),
                "level_nodes": 1 if parent[node] < 0 else 2 * count - int(parent[node]),
                "finest_nodes": min(2 * count - 1 - node, count),
                "gain": tree.gain[node],
                "fitness": np.nanmean(fitness) if not np.isnan(fitness).all() else np.nan,
                "error": error if np.ptp(extent) > 0 else np.nan,
                "filters": largest.tolist(),
                "weights": tree.nodes.weights[node, largest].tolist(),
                "bias": float(tree.nodes.bias[node]),
                "part_contributions": parts.mean(axis=0).tolist(),
                "nearest": view[near].tolist(),
            }
        )
    return found


def _paths(study: Study, view: np.ndarray, image: np.ndarray) -> list[dict[str, Any]]:
    own, found = study.positives, []
    for cut, count in study.cuts:
        node = study.node(count)
        said = study.explained(node)
        columns = {
            "image": image.tolist(),
            "view": view.tolist(),
            "node": node.tolist(),
            "cosine": study.cosine[np.arange(len(node)), node].tolist(),
            "score": (own.y * own.length).tolist(),
            "predicted": (said.score * own.length).tolist(),
            "fitness": said.fitness(own).tolist(),
        }
        found += [
            {"cut": cut, "nodes": count, **dict(zip(columns, row, strict=True))}
            for row in zip(*columns.values(), strict=True)
        ]
    return found


def _contributions(study: Study, view: np.ndarray, image: np.ndarray, parts: list[str]) -> list[dict[str, Any]]:
    found = []
    for cut, count in study.cuts:
        said = study.explained(study.node(count))
        of_parts = study.part_contributions(said)
        of_filters = said.contributions * study.positives.length[:, None]
        for row in range(len(view)):
            head = {"image": int(image[row]), "view": int(view[row]), "cut": cut}
            for part, name in enumerate(parts):
                given = {"contribution": of_parts[row, part], "measured": study.drops[row, part]}
                found.append({**head, "kind": "part", "name": name, **given})
            for unit in np.argsort(-np.abs(of_filters[row]), kind="stable")[:_OF_VIEW].tolist():
                given = {"contribution": of_filters[row, unit], "measured": np.nan}
                found.append({**head, "kind": "filter", "name": str(unit), **given})
    return found


__all__ = ["tables_of"]
