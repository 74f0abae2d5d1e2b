"""Questions about a part whose pose varies: what a person is shown, what they answer, and what the graph finds then."""

import numpy as np

from filterscope.operators.and_or.inquiry import Inquiry
from tests.docs.pictures.svg import BLUE, GREEN, ORANGE, PALE, RED, RULE, Sheet
from tests.planted.poses import EXTENT, answer_of, planted_poses

#: Side of a crop as drawn and of the part's box, and which questions are drawn of how many.
SIDE, BOX, SHOWN, ASKED = 168, 20.0, (1, 2, 3, 6), 6
SEED = 0
WORDS = {"new": "new template", "place": "wrong place", "other": "other template", "right": "right"}


def picture():
    """Draw four of the first questions, with the box that was found and the answer."""
    pose, part, layer = planted_poses(100, SEED)
    inquiry, known, tested = Inquiry([layer], EXTENT, np.arange(60)), {}, np.arange(60, 100)
    sheet = Sheet(756, 270, "Questions about a part: dashed what the graph found, drawn what the person answered")
    scale, column = SIDE / EXTENT[0], 0
    for number in range(1, ASKED + 1):
        ((view, gain),) = inquiry.ask_several(1, np.arange(60.0))
        found = inquiry.parsed(np.array([view]))[0][0] if inquiry.branches else None
        answer = answer_of(inquiry, view, pose, part, known)
        inquiry.take(answer)
        if number not in SHOWN:
            continue
        left, top = 16 + column * 184, 42
        column += 1
        sheet.text(left, 30, f"question {number}", bold=True)
        sheet.box(left, top, SIDE, SIDE, fill=PALE, stroke=RULE)
        response = layer.response[view, :9]
        for unit, row, col in np.argwhere(response > 1.5).tolist():
            y, x = layer.lattice.middle(row, col, 1, 1)
            sheet.dot(left + scale * x, top + scale * y, 2.2, fill=(BLUE, ORANGE, RED)[unit // 3])
        for place, colour, dash in (
            (found, BLUE, "5 3"),
            (answer.part if answer.said != "right" else None, GREEN, None),
        ):
            if place is not None:
                side = scale * BOX
                sheet.box(
                    left + scale * place[1] - side / 2, top + scale * place[0] - side / 2, side, side,
                    stroke=colour, line=2, dash=dash,
                )  # fmt: skip
        error = np.hypot(*(inquiry.parsed(tested)[0] - part[tested]).T).mean() / np.hypot(*EXTENT)
        sheet.text(left, top + SIDE + 20, WORDS[answer.said])
        sheet.note(left, top + SIDE + 38, f"error then {error:.3f}" + ("" if np.isnan(gain) else f"; gain {gain:.2f}"))
    return sheet.svg()
