"""Truth of planted rules beside that of permuted consequents, and what the posterior makes of one answer."""

import numpy as np

from filterscope.operators.rules.formula import Atom, implied, parse, truth
from filterscope.operators.rules.obedience import obedience
from filterscope.operators.rules.posterior import project
from tests.docs.pictures.svg import BLUE, GREEN, ORANGE, RED, RULE, SOFT, Plot, Sheet

_IMAGES, _DRAWS = 300, 199
_CLASSES, _P, _C = ("car", "boat", "bird"), (0.62, 0.28, 0.10), 6.0


def picture():
    """Draw four rules beside their nulls, and one posterior."""
    sheet = Sheet(760, 250, "Truth of four planted rules beside permuted consequents, and a posterior with one rule")
    _rules(sheet)
    _posterior(sheet)
    return sheet.svg()


def _rules(sheet):
    rng = np.random.default_rng(0)
    wheel = (rng.random(_IMAGES) < 0.4).astype(float)
    keeps = rng.random(_IMAGES) < 0.8
    consequents = (
        ("always kept", wheel),
        ("kept by 80 %", np.where(keeps, wheel, 1 - wheel)),
        ("unrelated", rng.permutation(wheel)),
        ("turned around", 1 - wheel),
    )
    sources = [rng.permutation(_IMAGES) for _ in range(_DRAWS)]
    plot = Plot(sheet, (130, 62, 240, 140), (0.5, 1), (0, len(consequents)))
    sheet.text(16, 30, f"wheel => car: {_IMAGES} planted images, {_DRAWS} permutations", bold=True)
    for number, (words, consequent) in enumerate(consequents):
        found = obedience(wheel, consequent, sources)
        null = [implied(wheel, consequent[source]).mean() for source in sources]
        y = plot.y(len(consequents) - number - 0.5)
        sheet.box(plot.x(min(null)), y - 9, plot.x(max(null)) - plot.x(min(null)), 18, fill=RULE)
        sheet.dot(plot.x(found.truth), y, 5, fill=RED if found.p_value <= 0.05 else SOFT)
        sheet.text(122, y + 4, words, size=12, at="end")
        sheet.text(382, y + 4, f"lift {found.lift:.2f}", size=12)
    plot.axes([(v, f"{v:g}") for v in (0.5, 0.75, 1)], (), ("mean truth", ""))
    sheet.key(140, 52, RED, "p <= 0.05")
    sheet.key(230, 52, RULE, "permuted")


def _posterior(sheet):
    states = np.eye(len(_CLASSES))
    values = {Atom("label", name): states[:, k] for k, name in enumerate(_CLASSES)}
    penalty = _C * (1 - truth(parse("label:car => concept:wheel"), {**values, Atom("concept", "wheel"): np.zeros(3)}))
    q = project(np.log([_P]), penalty[None])[0]
    sheet.text(480, 30, "label:car => concept:wheel, no wheel in sight", bold=True)
    for column, (words, shares, colour) in enumerate((("network p", _P, BLUE), ("posterior q", q, GREEN))):
        plot = Plot(sheet, (520 + column * 125, 62, 95, 140), (0, 1), (0, 3))
        sheet.text(plot.place[0], 54, words, size=12, colour=SOFT)
        for row, (name, share) in enumerate(zip(_CLASSES, shares, strict=True)):
            y = plot.y(2.5 - row)
            if column == 0:
                sheet.text(512, y + 4, name, size=12, at="end")
            sheet.box(520 + column * 125, y - 12, 95 * share, 24, fill=colour if share < max(shares) else ORANGE)
            sheet.text(524 + column * 125 + 95 * share, y + 4, f"{share:.3f}", size=12)
    sheet.note(480, 226, f"q is p exp(-{_C:g} x (1 - truth)), normalised; orange: what is answered")
