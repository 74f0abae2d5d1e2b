"""Nodes of an annotated crop, and their votes on another."""

import numpy as np

from filterscope.operators.localization.templates import Found, locate, retrieve
from filterscope.operators.localization.voting import REACH
from tests.docs.pictures.svg import (
    BLUE,
    GREEN,
    ORANGE,
    PALE,
    RED,
    RULE,
    SOFT,
    Sheet,
)  # fmt: skip
from tests.planted.parts import EXTENT

#: Side of the views, in pixels.
SIDE = 224


def picture():
    """Draw nodes of an annotated crop and their votes on another."""
    rng, nodes, views = np.random.default_rng(2), 40, 30
    part = np.array([84.0, 96.0])
    home = np.concatenate([part + rng.normal(0, 26, (16, 2)), rng.uniform(16, 208, (nodes - 16, 2))])
    moved = rng.normal(0, 20, (views, 1, 2))
    moved[:2, 0] = (0, 0), (38, 46)
    position = home + moved * (np.arange(nodes) < 16)[:, None] + rng.normal(0, 6, (views, nodes, 2))
    score = rng.uniform(0.4, 1.6, (views, nodes)) * (rng.random((views, nodes)) < 0.85)
    found = Found.of(position.clip(0, 223).astype(np.float32), score.astype(np.float32), np.ones(views, bool))
    template = retrieve(found, 0, part, 10, float(SIDE))
    (where,), _ = locate(template, found, np.array([1]), EXTENT)
    sheet = Sheet(760, 312, "Nodes retrieved on an annotated crop vote for the part on another")
    for column, words in enumerate(("annotated crop", "held-out crop")):
        left = 16 + column * 246
        sheet.text(left, 30, words, bold=True)
        sheet.box(left, 44, SIDE, SIDE, fill=PALE, stroke=RULE)
        for node in range(nodes):
            y, x = found.position[column, node]
            taken = node in template.nodes
            if found.fired[column, node]:
                sheet.dot(
                    left + x, 44 + y, 4 if taken else 2.2, fill=BLUE if taken else SOFT, opacity=1 if taken else 0.5
                )
        for node, (dy, dx) in zip(template.nodes, template.displacement, strict=True):
            y, x = found.position[column, node].astype(float)
            if found.fired[column, node]:
                sheet.line(left + x, 44 + y, left + x + dx, 44 + y + dy, BLUE, 0.9, arrow=column == 0)
                if column:
                    sheet.dot(left + x + dx, 44 + y + dy, REACH * SIDE, fill=ORANGE, opacity=0.18)
        if column == 0:
            sheet.box(left + part[1] - 24, 44 + part[0] - 20, 48, 40, stroke=GREEN, line=2)
    left, true = 262, part + moved[1, 0]
    sheet.box(left + true[1] - 24, 44 + true[0] - 20, 48, 40, stroke=GREEN, line=2)
    sheet.box(left + where[1] - 24, 44 + where[0] - 20, 48, 40, stroke=RED, line=2, dash="5 3")
    sheet.cross(left + where[1], 44 + where[0], 6, RED)
    sheet.note(16, 286, "the 10 nodes of the template,", "and what leads from each to the part")
    sheet.note(262, 286, "each votes where it expects the part;", "the part is where most votes meet")
    sheet.key(516, 66, GREEN, "the part, as annotated", hollow=True)
    sheet.key(516, 90, RED, "as found", hollow=True)
    sheet.key(516, 114, ORANGE, "a vote, 11 pixels about its place")
    apart = float(np.hypot(*(where - true)) / np.hypot(*EXTENT))
    sheet.note(516, 150, "distance from the part's centre:")
    sheet.text(516, 172, f"{apart:.3f} diagonals", bold=True, size=16)
    return sheet.svg()
