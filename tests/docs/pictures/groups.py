"""Annotations permuted over images and over groups of images."""

import numpy as np

from filterscope.operators.statistics.permutation import Strata
from tests.docs.pictures.svg import (
    BLUE,
    GREEN,
    ORANGE,
    VIOLET,
    Sheet,
    shade,
)  # fmt: skip


def picture():
    """Draw permutations over images and over groups of images."""
    colours, letters = (BLUE, ORANGE, GREEN, VIOLET), "abcd"
    group = np.repeat(np.arange(4), 5)
    views, kinds = np.arange(20), np.ones((20, 1), bool)
    rows = (
        ("annotated", views),
        ("images permuted", Strata(views, views, kinds).permuted(1)),
        ("groups permuted", Strata(views, group, kinds).permuted(2)),
    )
    sheet = Sheet(760, 252, "Twenty frames of four videos: annotations permuted over images and over groups")
    sheet.text(16, 42, "frames", bold=True)
    for view in views:
        x, video = 150 + view * 28.5 + group[view] * 7, group[view]
        sheet.box(x, 26, 26, 26, fill=shade(0.25, colours[video]), stroke=colours[video])
        sheet.text(x + 13, 44, f"{letters[video]}{view % 5 + 1}", size=11, at="middle")
    for row, (words, giver) in enumerate(rows):
        y = 76 + row * 44
        sheet.text(16, y + 16, words, bold=True)
        for view in views:
            x, video = 150 + view * 28.5 + group[view] * 7, group[giver[view]]
            sheet.box(x, y, 26, 26, fill=colours[video])
            sheet.text(x + 13, y + 18, f"{letters[video]}{giver[view] % 5 + 1}", size=11, at="middle", colour="#ffffff")
    sheet.note(
        16, 222, "Frames of a video share what they show. Permuted one by one, they give too weak a picture of chance;",
        "as groups they stay together: four pieces of evidence, not twenty.",
    )  # fmt: skip
    return sheet.svg()
