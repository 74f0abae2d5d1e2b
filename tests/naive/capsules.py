"""Slow twins of squashing, routing and what routing selects: loops over images, capsules and classes."""

from math import log, sqrt

import numpy as np


def squash(vector: np.ndarray) -> np.ndarray:
    """Shorten a vector of length r to r^2 / (1 + r^2)."""
    length = sqrt(sum(float(value) ** 2 for value in vector))
    return vector * (length / (1 + length**2))


def softmax(values: list[float]) -> list[float]:
    """Return the softmax of a list."""
    powers = [float(np.exp(value)) for value in values]
    return [power / sum(powers) for power in powers]


def routed(votes: np.ndarray, bias: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """Route; votes (n, classes, primary, dims), bias (classes, dims) -> capsules, coupling (n, classes, primary)."""
    n, classes, primary, dims = votes.shape
    capsules, coupling = np.zeros((n, classes, dims)), np.zeros((n, classes, primary))
    for image in range(n):
        logits = np.zeros((primary, classes))
        for iteration in range(max(iterations, 1)):
            for one in range(primary):
                coupling[image, :, one] = softmax(list(logits[one]))
            for label in range(classes):
                total = bias[label].copy()
                for one in range(primary):
                    total += coupling[image, label, one] * votes[image, label, one]
                capsules[image, label] = squash(total)
            if iteration < iterations - 1:
                for one in range(primary):
                    for label in range(classes):
                        logits[one, label] += float(np.dot(votes[image, label, one], capsules[image, label]))
    return capsules, coupling


def agreement(votes: np.ndarray, capsule: np.ndarray, weights: np.ndarray) -> float:
    """Mean cosine between a capsule (dims,) and votes for it (primary, dims), weighted."""
    total = 0.0
    for vote, weight in zip(votes, weights, strict=True):
        total += weight * float(np.dot(vote, capsule)) / (np.linalg.norm(vote) * np.linalg.norm(capsule))
    return total / float(sum(weights))


def entropy(coupling: np.ndarray) -> float:
    """Mean entropy of primary capsules over classes, in units of the largest; coupling (classes, primary)."""
    classes, primary = coupling.shape
    found = [-sum(c * log(c) for c in coupling[:, one] if c > 0) / log(classes) for one in range(primary)]
    return sum(found) / primary
