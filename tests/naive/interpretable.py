"""Slow twins of the interpretable layer: one value at a time, from the formulas of the paper and of the released code."""

import math

import numpy as np


def mask(mu, shape, beta=4.0):
    """The template of a position over tau: max(1 - beta |p - mu|_1 / n, -1), value by value."""
    n = math.sqrt(shape[0] * shape[1])
    row, column = divmod(mu, shape[1])
    return np.array(
        [[max(1 - beta * (abs(i - row) + abs(j - column)) / n, -1) for j in range(shape[1])] for i in range(shape[0])]
    )


def strongest(values):
    """Row-major position of the first maximum; -1 where all is 0."""
    best, where = 0.0, -1
    for number, value in enumerate(values.ravel().tolist()):
        if value > best:
            best, where = value, number
    return where


def trace(values, template):
    return sum(x * t for x, t in zip(values.ravel().tolist(), template.ravel().tolist(), strict=True))


def template(values, position, own):
    tau = 0.5 / values.size
    return tau * mask(position, values.shape) if own else np.full(values.shape, -tau)


def information(maps, position, own):
    """Sum over the two kinds of sum_x q log(q N) of one filter: maps (B, h, w)."""
    found = 0.0
    for kind in (True, False):
        rows = [b for b in range(len(maps)) if own[b] == kind]
        powers = [math.exp(trace(maps[b], template(maps[b], position[b], kind))) for b in rows]
        for power in powers:
            q = power / sum(powers)
            found += q * math.log(q * len(rows))
    return found


def loss_gradient(maps, position, own):
    """-q (log(q N) + 1) T of one filter: maps (B, h, w)."""
    found = np.zeros_like(maps)
    for kind in (True, False):
        rows = [b for b in range(len(maps)) if own[b] == kind]
        powers = {b: math.exp(trace(maps[b], template(maps[b], position[b], kind))) for b in rows}
        for b in rows:
            q = powers[b] / sum(powers.values())
            if position[b] >= 0:
                found[b] = -q * (math.log(q * len(rows)) + 1) * template(maps[b], position[b], kind)
    return found


def filter_category(fired, member):
    """Category and margin of one filter: sums of its map on images, and which categories they are of."""
    mean = []
    for category in range(member.shape[1]):
        of = [value for value, mine in zip(fired.tolist(), member[:, category].tolist(), strict=True) if mine]
        mean.append(sum(of) / len(of) if of else 0.0)
    best = mean.index(max(mean))
    others = mean[:best] + mean[best + 1 :]
    if not others:
        none = [value for value, mine in zip(fired.tolist(), member[:, 0].tolist(), strict=True) if not mine]
        others = [sum(none) / len(none) if none else 0.0]
    total = mean[best] + max(others)
    return (best if mean[best] > 0 else -1), ((mean[best] - max(others)) / total if total > 0 else 0.0)


def released_mask(values, width):
    """Mask about the rounded centroid, as getMu and getMask of the release compute it, with indices from 1."""
    h, w = values.shape
    total = max(values.sum(), 1e-9)
    row = math.floor(sum((i + 1) * values[i, j] for i in range(h) for j in range(w)) / total + 0.5)
    column = math.floor(sum((j + 1) * values[i, j] for i in range(h) for j in range(w)) / total + 0.5)
    rows, columns = np.linspace(-1, 1, h), np.linspace(-1, 1, w)
    row, column = max(row, 1) - 1, max(column, 1) - 1
    return np.array(
        [
            [max(1 - width * (abs(rows[i] - rows[row]) + abs(columns[j] - columns[column])), -1) for j in range(w)]
            for i in range(h)
        ]
    )


def released_gradient(maps, masks, own):
    """What the release adds to the derivative: maps and masks of shape (B, F, h, w), weights 1."""
    images, filters = maps.shape[:2]
    found, a = np.zeros_like(maps), 0.5
    for f in range(filters):
        reverse = [a_map * masks[images - 1 - b, filters - 1 - f] for b, a_map in enumerate(maps[:, f])]
        z_own = a * math.log(np.mean([math.exp(m.mean() / a) for m in reverse]))
        z_other = a * math.log(np.mean([math.exp(-m.mean() / a) for m in maps[:, f]]))
        for kind in (True, False):
            rows = [b for b in range(images) if own[b, f] == kind]
            fit = {b: (maps[b, f] * masks[b, f]).mean() if kind else -maps[b, f].mean() for b in rows}
            z = z_own if kind else z_other
            strength = {b: math.exp(s / a) * (s - z + a) for b, s in fit.items()}
            for b in rows:
                share = strength[b] / np.mean(list(strength.values()))
                found[b, f] = -masks[b, f] * share if kind else share
    return found
