"""Parses of a grid from the definition: every tree is written out."""

import numpy as np


def parses(top, left, bottom, right):
    """Return all ways to cut a rectangle, each as (leaves, depth), in the order in which the best is chosen."""
    found = [(((top, left, bottom, right),), 0)]
    for row in range(top + 1, bottom):
        found += _joined(parses(top, left, row, right), parses(row, left, bottom, right))
    for column in range(left + 1, right):
        found += _joined(parses(top, left, bottom, column), parses(top, column, bottom, right))
    return found


def _joined(ones, others):
    return [(one[0] + other[0], 1 + max(one[1], other[1])) for one in ones for other in others]


def best(score, k):
    """Return the best score, its leaves as a set, and the best score of other leaves; `score` of each rectangle by corners."""
    told = {frozenset(leaves): sum(score[leaf] for leaf in leaves) for leaves, _ in parses(0, 0, k, k)}
    first = max(told, key=told.get)
    others = [value for leaves, value in told.items() if leaves != first]
    return told[first], first, max(others)


def folded(score, top, left, bottom, right):
    """Return the score of a rectangle where every Or node is the mean over its leaf and its cuts."""
    values = [score[top, left, bottom, right]]
    for row in range(top + 1, bottom):
        values += [folded(score, top, left, row, right) + folded(score, row, left, bottom, right)]
    for column in range(left + 1, right):
        values += [folded(score, top, left, bottom, column) + folded(score, top, column, bottom, right)]
    return sum(values) / len(values)


def box_cells(maps, box, k, fine=64):
    """Return the means of a map (C, h, w) over the cells of a box by sampling it finely, of shape (k * k, C)."""
    channels, height, width = maps.shape
    left, top, right, bottom = box
    cells = []
    for row in range(k):
        for column in range(k):
            total = np.zeros(channels)
            for i in range(fine):
                for j in range(fine):
                    y = (top + (bottom - top) * (row + (i + 0.5) / fine) / k) * height
                    x = (left + (right - left) * (column + (j + 0.5) / fine) / k) * width
                    total += maps[:, min(int(y), height - 1), min(int(x), width - 1)]
            cells.append(total / fine**2)
    return np.array(cells)


def agreement(one, other):
    """Return the share of equal pairs at the same place, and at different places."""
    count = len(one)
    same = sum(one[i] == other[i] for i in range(count)) / count
    pairs = [one[i] == other[j] for i in range(count) for j in range(count) if i != j]
    return same, sum(pairs) / len(pairs)
