"""Slow twin of the explanatory graph, written from its formulas, one node, image and position at a time."""

import math

import numpy as np


def entities(maps, deviation, grid_y, grid_x, cells_y, cells_x, width_y, width_x):
    """Average the positive activations about every position of a grid, with Gaussian weights cut at three widths."""
    found = np.zeros((len(maps), len(grid_y), len(grid_x)))
    for image, values in enumerate(maps):
        for i, y in enumerate(grid_y):
            for j, x in enumerate(grid_x):
                top = bottom = 0.0
                for u, cy in enumerate(cells_y):
                    for v, cx in enumerate(cells_x):
                        if abs(y - cy) <= 3 * width_y and abs(x - cx) <= 3 * width_x:
                            weight = math.exp(-((y - cy) ** 2) / 2 / width_y**2 - (x - cx) ** 2 / 2 / width_x**2)
                            top += weight * max(float(values[u, v]), 0.0)
                            bottom += weight
                found[image, i, j] = top / bottom / deviation
    return found


def _density(y, x, place, deviation, factor, half):
    oy, ox = y - place[0], x - place[1]
    if abs(oy) > half or abs(ox) > half:
        return 0.0
    return factor * math.exp(-(oy**2 + ox**2) / (2 * deviation**2)) / (2 * math.pi * deviation**2)


def e_step(F, grid_y, grid_x, place, deviation, factor, half, dummy=None):
    """Return A, B, S, W, the spread with responsibilities, sum F and the log-likelihood."""
    images, nodes = factor.shape
    A, S, W, spread = (np.zeros(nodes) for _ in range(4))
    B = np.zeros((nodes, 2))
    total = likelihood = 0.0
    positions = [(i, j) for i in range(len(grid_y)) for j in range(len(grid_x))]
    for image in range(images):
        p = np.array(
            [
                [
                    _density(grid_y[i], grid_x[j], place[image, V], deviation[V], factor[image, V], half[V])
                    for i, j in positions
                ]
                for V in range(nodes)
            ]
        )
        tau = 0.1 * p.sum(axis=1).mean() if dummy is None else dummy
        for q, (i, j) in enumerate(positions):
            f = F[image, i, j]
            mixture = p[:, q].sum() + tau
            total += f
            if f > 0 and mixture > 0 and dummy is not None:
                likelihood += f * math.log(mixture)
            for V in range(nodes):
                if p[V, q] > 0:
                    off = np.array([grid_y[i], grid_x[j]]) - place[image, V]
                    g = p[V, q] / mixture * f
                    A[V] += g
                    B[V] += g * off / deviation[V] ** 2
                    spread[V] += g * off @ off
                    S[V] += p[V, q] * f
                    W[V] += p[V, q] * f * (off @ off)
    return A, B, S, W, spread, total, likelihood


def infer(F, grid_y, grid_x, place, deviation, factor, half):
    """Return the position of largest p F of every node on every image, and that value."""
    images, nodes = factor.shape
    position, score = place.copy(), np.zeros((images, nodes))
    for image in range(images):
        for V in range(nodes):
            for i, y in enumerate(grid_y):
                for j, x in enumerate(grid_x):
                    p = _density(y, x, place[image, V], deviation[V], factor[image, V], half[V])
                    if p * F[image, i, j] > score[image, V]:
                        position[image, V], score[image, V] = (y, x), p * F[image, i, j]
    return position, score


def m_step(mu, sigma, deviation, A, B, S, W, spread, iteration, limits, extent, mode):
    """Return means and deformations after an iteration."""
    step = (deviation.min() / iteration**0.25) ** 2
    mu, sigma = mu.copy(), sigma.copy()
    for V in range(len(mu)):
        for axis in range(2):
            mu[V, axis] = min(max(mu[V, axis] + step * B[V, axis] / max(A[V], 1e-8), 0.0), extent[axis] - 1)
        if mode == "release" and S[V] > 0:
            sigma[V] = math.sqrt(W[V] / S[V])
        elif mode == "paper" and A[V] > 0:
            sigma[V] = math.sqrt(spread[V] / (2 * A[V]))
        sigma[V] = min(max(sigma[V], limits[0]), limits[1])
    return mu, sigma


def edge_scores(position, score, upper):
    """Return how steadily each upper node keeps its displacement to each node: (K, U)."""
    images, nodes = score.shape
    found = np.zeros((nodes, upper.shape[1]))
    for V in range(nodes):
        for u in range(upper.shape[1]):
            own = position[:, V] - position[:, V].mean(axis=0)
            other = upper[:, u] - upper[:, u].mean(axis=0)
            squared = ((own - other) ** 2).sum(axis=1)
            spread = squared.mean()
            for image in range(images):
                found[V, u] += score[image, V] * (math.exp(-squared[image] / (2 * spread)) if spread > 0 else 1.0)
    return found


def expected(edges, upper, sigma, mode):
    """Return Delta, s and lambda from the upper nodes of each node."""
    images, nodes = len(upper), len(edges)
    delta, s, factor = np.zeros((images, nodes, 2)), np.zeros(nodes), np.zeros((images, nodes))
    moved = upper - upper.mean(axis=0)
    for V, mine in enumerate(edges):
        s[V] = 1 / math.sqrt(np.mean([1 / sigma[u] ** 2 for u in mine]))
        for image in range(images):
            weights = [1 / sigma[u] ** 2 for u in mine]
            delta[image, V] = sum(w * moved[image, u] for w, u in zip(weights, mine, strict=True)) / sum(weights)
            apart = [((delta[image, V] - moved[image, u]) ** 2).sum() for u in mine]
            gaussians = math.prod(
                math.exp(-a / (2 * len(mine) * sigma[u] ** 2)) for a, u in zip(apart, mine, strict=True)
            )
            if mode == "release":
                factor[image, V] = s[V] * gaussians / math.prod(sigma[u] for u in mine)
            else:
                mean = math.prod(sigma[u] for u in mine) ** (1 / len(mine))
                factor[image, V] = (s[V] / mean) ** 2 * gaussians
    return delta, s, factor
