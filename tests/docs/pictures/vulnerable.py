"""A planted classifier whose border is a line: where each attack leaves an image, and what as much noise does."""

import numpy as np

from filterscope.operators.attacks.lbfgs import lbfgs
from filterscope.operators.attacks.noise import noise_like
from filterscope.operators.attacks.sign import fgsm
from tests.docs.pictures.svg import BLUE, INK, ORANGE, RED, TEAL, Plot, Sheet, shade

#: Weights of the two pixels, and the lead of class A on the image.
WEIGHT, IMAGE, LEAD = np.array([2.0, 1.0]), np.array([0.42, 0.38]), 0.6


def slope(images, which):
    """Return the loss that lbfgs lowers, of a lead that falls along WEIGHT."""
    lead = LEAD - (images.reshape(-1, 2) - IMAGE) @ WEIGHT
    share = 1 / (1 + np.exp(-lead))
    gradient = -(share[:, None] * WEIGHT).reshape(images.shape)
    return np.logaddexp(0, lead), gradient, lead < 0


def attacks():
    """Return the image (1 x 2 pixels), and where L-BFGS, FGSM and noise of the same length take it."""
    image = IMAGE.reshape(1, 2, 1)
    shortest = lbfgs(image, slope).image
    least = LEAD / np.abs(WEIGHT).sum()
    signs, _ = fgsm(image[None], lambda *given: (None, -slope(*given)[1], None), least * 1.001)
    length = np.linalg.norm(shortest - image)
    random = np.random.default_rng(0)
    noise = [noise_like(image, length, random) for _ in range(8)]
    return image, shortest, signs[0], noise


def picture():
    """Draw the plane of two pixels, and the change of a unit under attack and in noise."""
    image, shortest, signs, noise = attacks()
    sheet = Sheet(760, 320, "An image of two pixels near the border between two classes, attacked and under noise")
    plot = Plot(sheet, (60, 50, 230, 220), (0, 1), (0, 1))
    sheet.text(60, 30, "two pixels, two classes", bold=True)
    border = LEAD + IMAGE @ WEIGHT
    at = lambda y: (border - WEIGHT[1] * y) / WEIGHT[0]  # noqa: E731
    sheet.polygon(plot.points([at(0), 1, 1, at(1)], [0, 0, 1, 1]), fill=shade(0.15, RED))
    sheet.lines(plot.points([at(0), at(1)], [0, 1]), RED, 2)
    plot.axes([(0, "0"), (1, "1")], [(0, "0"), (1, "1")], ("first pixel", "second pixel"))
    x, y = image.ravel()
    for values, colour in ((shortest, BLUE), (signs, ORANGE)):
        a, b = values.ravel()
        sheet.line(plot.x(x), plot.y(y), plot.x(a), plot.y(b), colour, 2, arrow=True)
    for values in noise:
        a, b = values.ravel()
        sheet.dot(plot.x(a), plot.y(b), 4, fill=TEAL)
    sheet.dot(plot.x(x), plot.y(y), 5, fill=INK)
    change = np.linalg.norm(shortest - image)
    sheet.key(330, 62, BLUE, f"L-BFGS: {change:.3f}; margin / |w| is {LEAD / np.linalg.norm(WEIGHT):.3f}")
    sheet.key(330, 86, ORANGE, f"FGSM: eps {np.abs(signs - image).max():.3f}; margin / sum |w| is {LEAD / 3:.3f}")
    sheet.key(330, 110, TEAL, "random noise as long as the L-BFGS change")
    crossed = sum(bool(slope(values[None], None)[2][0]) for values in noise)
    sheet.note(330, 136, f"{crossed} of {len(noise)} draws cross the border")
    sheet.text(330, 188, "a unit that looks along w moves", bold=True)
    moved = [abs((shortest - image).ravel() @ WEIGHT), np.mean([abs((v - image).ravel() @ WEIGHT) for v in noise])]
    for row, (value, colour, words) in enumerate(zip(moved, (BLUE, TEAL), ("attack", "noise"), strict=True)):
        sheet.text(330, 222 + row * 30, words)
        sheet.box(390, 208 + row * 30, 240 * value / moved[0], 18, fill=colour)
        sheet.text(396 + 240 * value / moved[0], 222 + row * 30, f"{value:.2f}")
    sheet.note(330, 284, "the more pixels, the more directions noise is spread over")
    return sheet.svg()
