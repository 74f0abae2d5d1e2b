"""Nodes of two layers, and the ties of one of them."""

import numpy as np

from filterscope.operators.explanatory_graph.candidates import rank_candidates
from tests.docs.pictures.svg import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    RULE,
    SOFT,
    TEAL,
    Sheet,
)  # fmt: skip
from tests.planted.graphs import learned_layers
from tests.planted.parts import EXTENT

#: Side of the views, in pixels.
SIDE = 224


def ranked_upper(layer):
    """Return which nodes of a layer lower ones may be tied to, in the order that edges number them by."""
    position = np.concatenate([found.position[:, kept] for _, _, found, kept, _ in layer], axis=1)
    recorded = np.concatenate([found.sums.recorded[kept] for _, _, found, kept, _ in layer])
    return rank_candidates(recorded, position.var(axis=0).sum(axis=1), position.mean(axis=0), EXTENT)


def picture():
    """Draw the nodes of two layers of planted filters, and the ties of a lower node."""
    layers = {}
    for layer, _, unit, mix, found, kept, survivors in learned_layers(0, images=40, noisy=1):
        layers.setdefault(layer.maps.shape[-1], []).append((unit, mix, found, kept, survivors))
    colours = (BLUE, ORANGE, TEAL, SOFT)
    sheet = Sheet(760, 332, "An explanatory graph of two layers: nodes of filters, and ties to the layer above")
    tops, numbers = {14: (24, "upper layer: maps of 14 x 14"), 28: (292, "lower layer: maps of 28 x 28")}, []
    for cells, (left, words) in tops.items():
        sheet.text(left, 30, words, bold=True)
        sheet.box(left, 44, SIDE, SIDE, fill=PALE, stroke=RULE)
        numbers += [(cells, unit, node) for unit, _, _, kept, _ in layers[cells] for node in kept]
    upper = [(found, node) for _, _, found, kept, _ in layers[14] for node in kept]
    ranked = ranked_upper(layers[14])
    chosen = next((found, node) for _, mix, found, _, survivors in layers[28] if mix for node in survivors)
    mean = chosen[0].position[:, chosen[1]].mean(0)
    for rank, edge in enumerate(chosen[0].nodes.edges[chosen[1]][:5]):
        above, node = upper[ranked[edge]]
        y, x = above.position[:, node].mean(0)
        sheet.line(292 + mean[1], 44 + mean[0], 24 + x, 44 + y, INK, 2 - 0.35 * rank)
    kept_count = survived = 0
    for cells, (left, _) in tops.items():
        for unit, _, found, kept, survivors in layers[cells]:
            for node in kept:
                (y, x), alive = found.position[:, node].mean(0), node in survivors
                sheet.dot(left + x, 44 + y, 6 if alive else 2.2, fill=colours[unit], opacity=1 if alive else 0.45)
                kept_count, survived = kept_count + 1, survived + alive
    sheet.dot(292 + mean[1], 44 + mean[0], 9, fill="none", stroke=INK, width=2)
    mixes = ("parts 1 and 2", "parts 2 and 3", "parts 1 and 3", "noise alone")
    for unit, words in enumerate(mixes):
        sheet.key(544, 58 + 24 * unit, colours[unit], f"filter {unit}: {words}")
    sheet.note(544, 166, "large: surviving nodes;", "small: the others", f"({survived} of {kept_count} survive)", "",
               "lines: the five best ties of", "the ringed node, to upper nodes", "that move as it does")  # fmt: skip
    sheet.note(24, 292, "Three planted parts move together over 40 images; filters 0 to 2 fire on two parts each and on noise.",
               "Every node stands at its mean position.")  # fmt: skip
    return sheet.svg()
