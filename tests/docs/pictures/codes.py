"""Two planted decoders of four factors, whose axes are the factors or are rotated, beside random directions."""

import numpy as np

from filterscope.operators.codes.effects import effects, p_values, random_directions, specificity
from tests.docs.pictures.svg import BLUE, ORANGE, SOFT, TEAL, Plot, Sheet, shade

FACTORS = ("slant", "width", "height", "thickness")
CODES = len(FACTORS)


def measured(mixing, seed=0):
    """Return effects of the axes, and specificity of the axes and of 200 random directions."""
    random = np.random.default_rng(seed)
    steps, bases = np.linspace(-1, 1, 5), random.standard_normal((24, CODES))
    directions = np.concatenate([np.eye(CODES), random_directions(200, CODES, random)])
    codes = bases[None, :, None] + steps[None, None, :, None] * directions[:, None, None]
    found = effects(codes @ mixing, steps, np.ones(CODES)).effect
    return found[:CODES], specificity(found)


def picture():
    """Draw the effects of each decoder as a matrix, and its axes on the distribution of random directions."""
    sheet = Sheet(
        760, 330, "Codes of two planted decoders: effects on factors, and specificity beside random directions"
    )
    turned = np.linalg.qr(np.random.default_rng(4).standard_normal((CODES, CODES)))[0]
    for row, (words, mixing, colour) in enumerate(
        (("axes are factors", np.eye(CODES), BLUE), ("axes are rotated", turned, ORANGE))
    ):
        effect, specific = measured(mixing)
        top = 50 + row * 145
        sheet.text(20, top - 14, words, bold=True)
        for code in range(CODES):
            sheet.note(20, top + 17 + code * 22, f"code {code}", colour=SOFT)
            for number in range(CODES):
                share = abs(effect[code, number])
                sheet.box(75 + number * 60, top + code * 22, 58, 20, fill=shade(min(share, 1.0), colour))
                sheet.note(82 + number * 60, top + 14 + code * 22, f"{effect[code, number]:+.2f}")
        for number, name in enumerate(FACTORS):
            sheet.note(75 + number * 60, top + 104, name, colour=SOFT)
        plot = Plot(sheet, (360, top, 370, 80), (0.25, 1), (0, 40))
        counts, edges = np.histogram(specific[CODES:], np.linspace(0.25, 1, 26))
        for count, low in zip(counts, edges, strict=False):
            sheet.box(plot.x(low) + 1, plot.y(count), 13, plot.y(0) - plot.y(count), fill=TEAL)
        for value in specific[:CODES]:
            sheet.line(plot.x(value), plot.y(0), plot.x(value), plot.y(36), colour, 2)
        plot.axes([(0.25, "1/4"), (0.5, "1/2"), (1, "1")], [], ("specificity", ""))
        p = p_values(specific[:CODES], specific[CODES:])
        sheet.text(360, top - 14, f"p of the axes: {p.min():.3f} to {p.max():.3f}; random directions in green")
    return sheet.svg()
