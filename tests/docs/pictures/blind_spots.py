"""Five planted groups of views, one of which is wrong four times in ten, and what policies find with questions about them."""

import numpy as np

from filterscope.operators.blind_spots.discovery import found
from filterscope.operators.statistics.wilson import wilson
from tests.docs.pictures.svg import BLUE, ORANGE, PALE, RED, SOFT, TEAL, Plot, Sheet
from tests.planted.unknowns import unknown_unknowns

_SEEDS = 20


def planted_curves():
    """Return the share that is wrong of each group with its interval, and the mean found by policy over 20 planted sets."""
    kind, wrong, _ = unknown_unknowns(0)
    hits, sizes = np.bincount(kind[wrong == 1], minlength=5), np.bincount(kind)
    curves = {}
    for policy in ("uub", "ucb1", "least-confident", "random"):
        rows = []
        for seed in range(_SEEDS):
            groups, bad, confidence = unknown_unknowns(seed)
            rows.append(found(policy, groups, bad.astype(bool), confidence, 600, [seed])[0] / bad.sum())
        curves[policy] = np.mean(rows, axis=0)
    return hits / sizes, wilson(hits, sizes), curves


def picture():
    """Draw the groups and the curves."""
    shares, (low, high), curves = planted_curves()
    sheet = Sheet(760, 290, "Shares of wrong views in five partitions, and unknown unknowns found by four policies")
    sheet.text(16, 30, "Confident views in five partitions", bold=True)
    for row, share in enumerate(shares):
        top = 58 + row * 38
        sheet.box(66, top, 150, 16, fill=PALE)
        sheet.box(66, top, 150 * share, 16, fill=RED)
        sheet.line(66 + 150 * low[row], top + 8, 66 + 150 * high[row], top + 8)
        sheet.text(58, top + 13, f"{row}", at="end", size=12, colour=SOFT)
        sheet.text(224, top + 13, f"{share:.2f}", size=12)
    sheet.note(16, 262, "share that is wrong, with its 95 % interval", "200 views in each")
    plot = Plot(sheet, (330, 52, 270, 180), (0, 600), (0, 1))
    ticks = [(n, str(n)) for n in (0, 200, 400, 600)]
    plot.axes(ticks, [(v, f"{v:g}") for v in (0, 0.4, 0.8)], ("questions", "share of unknown unknowns found"))
    looks = {"uub": (BLUE, -4), "ucb1": (TEAL, 12), "least-confident": (ORANGE, -6), "random": (SOFT, 10)}
    for policy, (colour, off) in looks.items():
        at = np.arange(0, 600, 12)
        places = plot.points([0, *(at + 1)], [0, *curves[policy][at]])
        sheet.lines(places, colour, 2, dash="5 4" if policy == "random" else None)
        sheet.text(608, places[-1][1] + off, f"{policy} {curves[policy][-1]:.2f}", size=12, colour=colour)
    return sheet.svg()
