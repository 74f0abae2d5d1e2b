"""A linear classifier as attacks see it."""

import numpy as np


def slopes(weight, bias, before):
    """Return losses of scores weight . x + bias (weight of shape (classes, h, w, c)) that lbfgs lowers and fgsm raises."""
    flat = weight.reshape(len(weight), -1)

    def scored(images):
        return images.reshape(len(images), -1) @ flat.T + bias

    def lead(images, which):
        scores = scored(images)
        rest = scores.copy()
        rest[:, before] = -np.inf
        rival = rest.argmax(axis=1)
        m = scores[:, before] - rest.max(axis=1)
        share = 1 / (1 + np.exp(-m))
        gradient = share[:, None, None, None] * (weight[before] - weight[rival])
        return np.logaddexp(0, m), gradient, scores.argmax(axis=1) != before

    def raised(images, which):
        losses, gradients, reached = lead(images, which)
        return losses, -gradients, reached

    return lead, raised


def problem(seed, lead, side=12, classes=2):
    """Draw weights, an image, and biases by which class 0 leads each other class by `lead`."""
    random = np.random.default_rng(seed)
    weight = random.normal(0, 0.2, (classes, side, side, 3))
    image = random.uniform(0, 1, (side, side, 3)) if seed % 2 else random.uniform(0.4, 0.6, (side, side, 3))
    bias = -(weight * image).sum(axis=(1, 2, 3))
    bias[0] += lead
    return weight, bias, image
