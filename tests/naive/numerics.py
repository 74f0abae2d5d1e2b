"""Slow twin of the mixture of Gaussians, from its formulas."""

import networkx as nx
import numpy as np


def log_densities(points, weights, means, variances):
    """Return log(weight times density) of each point under each component, (n, k)."""
    away = (points[:, None] - means) ** 2 / variances
    return np.log(weights) - 0.5 * (away + np.log(2 * np.pi * variances)).sum(axis=2)


def maximised(points, share, floor):
    """Return weights, means and variances of components that have these shares of the points."""
    mass = share.sum(axis=0)
    means = (share.T @ points) / mass[:, None]
    variances = np.stack([s @ (points - m) ** 2 / s.sum() for s, m in zip(share.T, means, strict=True)])
    return mass / len(points), means, np.maximum(variances, floor)


def expected(points, weights, means, variances):
    """Return shares and log-likelihood."""
    logs = log_densities(points, weights, means, variances)
    highest = logs.max(axis=1, keepdims=True)
    total = np.exp(logs - highest).sum(axis=1, keepdims=True)
    return np.exp(logs - highest) / total, float((highest + np.log(total)).sum())


def fit(points, draws, floor, *, sweeps=10, iterations=100, tolerance=1e-5):
    """Fit one component a draw from a k-means++ start; return shares and log-likelihood."""
    means = [points[min(int(draws[0] * len(points)), len(points) - 1)]]
    for draw in draws[1:]:
        nearest = np.min([((points - mean) ** 2).sum(axis=1) for mean in means], axis=0)
        reached = np.flatnonzero(nearest.cumsum() > draw * nearest.sum())
        means.append(points[reached[0] if len(reached) else -1])
    means = np.array(means)
    for _ in range(sweeps):
        nearest = ((points[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        share = np.eye(len(means))[nearest]
        if (share.sum(axis=0) == 0).any():
            raise ValueError("a mean without points")
        weights, means, variances = maximised(points, share, floor)
    before, (share, likelihood) = -np.inf, expected(points, weights, means, variances)
    for _ in range(iterations):
        if likelihood - before <= tolerance * len(points):
            break
        before = likelihood
        share, likelihood = expected(points, *maximised(points, share, floor))
    return share, likelihood


def dip(one, other, weights, means, variances, steps=20):
    """Return the lowest density along the ridge line of two Gaussians over the lower of its ends."""
    density = []
    for along in np.linspace(0, 1, steps + 1):
        near, far = (1 - along) / variances[one], along / variances[other]
        place = (near * means[one] + far * means[other]) / (near + far)
        density.append(np.exp(log_densities(place[None], weights, means, variances)).sum())
    return min(density) / min(density[0], density[-1])


def fit_mixture(points, seed, *, most=8, starts=3, fewest=5, floor=0.01, margin=10.0, lowest=0.2):
    """Return clusters, number of Gaussians and BIC of 1, 2, ... Gaussians."""
    drawn = (np.random.PCG64(seed).random_raw(most * starts * most) >> np.uint64(11)) * 2.0**-53
    drawn, floor = drawn.reshape(most, starts, most), floor * points.var(axis=0)
    count, axes = points.shape
    bic, kept = np.full(most, np.inf), np.ones((count, 1))
    for k in range(1, most + 1):
        fits = [fit(points, drawn[k - 1, start, :k], floor) for start in range(starts if k > 1 else 1)]
        share, likelihood = max(fits, key=lambda found: found[1])
        if k == 1 or np.bincount(share.argmax(axis=1), minlength=k).min() >= fewest:
            bic[k - 1] = (2 * k * axes + k - 1) * np.log(count) - 2 * likelihood
        if k == 1 or bic[k - 1] < bic[kept.shape[1] - 1] - margin:
            kept = share
        elif k >= kept.shape[1] + 2:
            break
    mixture = maximised(points, kept, floor)
    tied = nx.Graph((a, b) for a in range(kept.shape[1]) for b in range(a + 1) if dip(a, b, *mixture) > lowest)
    labels = kept.argmax(axis=1)
    clusters = [np.flatnonzero(np.isin(labels, list(part))) for part in nx.connected_components(tied)]
    clusters.sort(key=lambda members: (-len(members), members[0]))
    found = np.empty(count, int)
    for number, members in enumerate(clusters):
        found[members] = number
    return found, kept.shape[1], bic
