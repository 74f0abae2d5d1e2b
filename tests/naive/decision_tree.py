"""The slow twin of growing a decision tree: every pair at every step, straight from the formula."""

import math

import numpy as np


def node(g, x, y):
    """Return weights and offset of a node of some images."""
    total = np.sum(g, axis=0)
    w = total / np.linalg.norm(total) if np.linalg.norm(total) > 1e-10 else 0 * total
    return w, float(np.mean([yi - w @ xi for xi, yi in zip(x, y, strict=True)]))


def log_evidence(groups, g, x, y, b, negatives, gamma, beta):
    """Return log E of second-layer nodes, each a list of positives, up to the constant of the leaves."""
    total, theta = 0.0, 0.0
    for members in groups:
        w, offset = (g[members[0]], b[members[0]]) if len(members) == 1 else node(g[members], x[members], y[members])
        total += sum(gamma * (w @ x[i] + offset) for i in members)
        theta += sum(math.exp(gamma * (w @ x[i] + offset)) for i in members)
        theta += sum(len(members) / len(y) * math.exp(gamma * (w @ negative + offset)) for negative in negatives)
    return total - len(y) * math.log(theta) - beta * len(groups)


def merge_gains(groups, g, x, y, b, negatives, gamma, beta=1.0):
    """Return by how much each merge of two groups of positives changes log E: {(p, q): gain}."""
    now = log_evidence(groups, g, x, y, b, negatives, gamma, beta)
    found = {}
    for p in range(len(groups)):
        for q in range(p + 1, len(groups)):
            rest = [group for n, group in enumerate(groups) if n not in (p, q)]
            merged = [*rest, groups[p] + groups[q]]
            found[p, q] = log_evidence(merged, g, x, y, b, negatives, gamma, beta) - now
    return found
