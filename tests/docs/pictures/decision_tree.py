"""Planted images of three kinds as a tree groups them, and what filters give in each node and at the root."""

import numpy as np

from filterscope.operators.decision_tree.explain import Explained
from filterscope.operators.decision_tree.pool import pool
from filterscope.operators.decision_tree.tree import grow
from tests.docs.pictures.svg import BLUE, GREEN, INK, ORANGE, RULE, SOFT, TEAL, Plot, Sheet

_PER, _FILTERS = 4, 6
COLOURS = (TEAL, BLUE, ORANGE)


def planted():
    """Return images of three kinds, in which kind m is scored by filters 2 m and 2 m + 1, and negatives with weak responses."""
    random = np.random.default_rng(7)
    weights = np.kron(np.eye(3), np.ones(2)) * [1.0, 0.5, 0.6, 1.2, 0.9, 0.9]
    kind = np.repeat(np.arange(3), _PER)
    x = np.concatenate([np.kron(np.eye(3), np.ones(2))[kind] * random.uniform(1, 2, (len(kind), _FILTERS)) + 0.1,
                        random.uniform(0, 0.4, (24, _FILTERS))])  # fmt: skip
    g = weights[np.append(kind, random.integers(3, size=24))]
    both = pool(x, g, (x * g).sum(axis=1), 1, np.arange(len(x)) < len(kind))
    return both.take(np.arange(len(kind))), both.take(np.arange(len(kind), len(x)))


def picture():
    """Draw the tree from the root to its leaves, and contributions of filters in its second layer."""
    images, negatives = planted()
    tree = grow(images, negatives)
    sheet = Sheet(
        760, 330, "A tree of twelve images with three decision modes, and what filters give in each and at the root"
    )
    sheet.text(16, 28, "merged from the leaves up", bold=True)
    sheet.text(430, 28, "what filters give to the score", bold=True)
    order = _order(tree, len(tree.left) - 1)
    place = {leaf: 40 + 29 * at for at, leaf in enumerate(order)}
    level = dict.fromkeys(order, 250.0)
    second = np.unique(tree.at(tree.second))
    root = len(tree.left) - 1
    for node in range(tree.leaves, root + 1):
        children = tree.left[node], tree.right[node]
        place[node] = sum(place[child] for child in children) / 2
        level[node] = min(level[child] for child in children) - 22
    above = {root: 64.0, **dict.fromkeys(second.tolist(), 130.0)}
    members = tree.members()
    for node in second.tolist():
        sheet.line(place[root], above[root], place[node], above[node], SOFT)
        _branch(sheet, tree, node, place, {**level, **above})
    for at, node in enumerate(second.tolist()):
        sheet.dot(place[node], above[node], 7, fill=COLOURS[at])
        for leaf in members[node]:
            sheet.dot(place[leaf], 250, 5, fill=COLOURS[at])
    sheet.dot(place[root], above[root], 7, fill=INK)
    sheet.note(place[root] + 14, above[root] + 4, "root")
    sheet.note(
        16,
        286,
        f"12 images; merging two of the {len(second)} nodes of the second",
        "layer would lower the likelihood E of their scores",
    )
    rows = [(node, COLOURS[at], members[node]) for at, node in enumerate(second.tolist())]
    for row, (node, colour, own) in enumerate([*rows, (root, INK, members[root])]):
        _bars(sheet, tree, images, node, own, 44 + 66 * row, colour)
    sheet.note(430, 316, "hollow: gradient times response of the node's own images", size=11)
    return sheet.svg()


def _order(tree, node):
    return [node] if tree.left[node] < 0 else _order(tree, tree.left[node]) + _order(tree, tree.right[node])


def _branch(sheet, tree, node, place, level):
    for child in (tree.left[node], tree.right[node]):
        if child >= 0:
            sheet.line(place[node], level[node], place[child], level[child], RULE, 1.5)
            _branch(sheet, tree, child, place, level)


def _bars(sheet, tree, images, node, own, top, colour):
    views = images.take(own)
    found = Explained.by(views, tree.nodes.take(np.full(len(own), node)))
    given = (found.contributions * views.length[:, None]).mean(axis=0)
    true = (views.g * views.x * views.length[:, None]).mean(axis=0)
    plot = Plot(sheet, (430, top, 190, 48), (0, _FILTERS), (0, 2.2))
    for unit in range(_FILTERS):
        left, wide = plot.x(unit) + 4, 24
        sheet.box(left, plot.y(given[unit]), wide, plot.y(0) - plot.y(given[unit]), fill=colour, opacity=0.8)
        sheet.box(left, plot.y(true[unit]), wide, plot.y(0) - plot.y(true[unit]), stroke=GREEN)
    plot.axes()
    fitness = found.fitness(views).mean()
    sheet.text(632, top + 30, f"fitness {fitness:.2f}", size=12)


__all__ = ["picture"]
