"""The chain of a planted Gaussian in the plane: the ends of 400 chains, and the ellipses of one and two deviations."""

import numpy as np
import torch

from filterscope.operators.synthesis.chain import Weights, moved
from tests.docs.pictures.svg import SOFT, TEAL, Sheet

MEAN, COVARIANCE, NOISE = (0.5, -0.3), ((1.0, 0.6), (0.6, 0.8)), 0.1


def picture():
    """Draw the ends of the chains, and one chain's way."""
    generator, mean, covariance = torch.Generator().manual_seed(0), torch.tensor(MEAN), torch.tensor(COVARIANCE)
    shrink = covariance @ torch.linalg.inv(covariance + NOISE**2 * torch.eye(2))
    codes, way = torch.full((8000, 2), -2.0), []
    for _ in range(400):
        denoised = mean + (codes - mean) @ shrink.T
        noise = torch.randn(codes.shape, generator=generator)
        codes = moved(codes, denoised, 0 * codes, noise, Weights(4.0, 0.0, NOISE * np.sqrt(8.0)))
        way.append(codes[0].numpy())
    sheet = Sheet(700, 330, "The ends of 400 chains, the way of one, and the ellipses of the planted Gaussian")

    def place(point):
        return 230 + 50 * point[0], 165 - 50 * point[1]

    sheet.lines([place(point) for point in way[:120:2]], colour=SOFT, width=0.8)
    for point in codes[:400].numpy():
        sheet.dot(*place(point), 2, fill=TEAL, opacity=0.5)
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    root = np.linalg.cholesky(np.array(COVARIANCE))
    for size in (1, 2):
        ring = np.array(MEAN) + size * np.column_stack([np.cos(turn), np.sin(turn)]) @ root.T
        sheet.polygon([place(point) for point in ring], stroke=SOFT, width=1.5)
    found, own = codes.T.cov().numpy(), codes.mean(0).numpy()
    sheet.text(450, 90, "planted and found", bold=True)
    for row, (words, one, two) in enumerate((
        ("mean", MEAN[0], own[0]), ("", MEAN[1], own[1]), ("variance", COVARIANCE[0][0], found[0, 0]),
        ("", COVARIANCE[1][1], found[1, 1]), ("covariance", COVARIANCE[0][1], found[0, 1]),
    )):  # fmt: skip
        sheet.note(450, 116 + 22 * row, words)
        sheet.text(540, 116 + 22 * row, f"{one:.1f}   {two:.2f}")
    return sheet.svg()
