"""The verb `ask --part` as a page: crops, where the part is found on each, and a box to draw where it is not."""

import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.jobs.findings.ask_parts import COLUMNS, NUMBERS, TAKES, PartAsking, PartQuestion
from filterscope.jobs.report.questions import Choice, Question, Sheet, check_page, inlined, write_questions
from filterscope.jobs.report.thumbnails import images_at_hand
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.and_or.person import ABSENT, NEW, OTHER, PLACE, RIGHT
from filterscope.pipeline.methods.graph.dictionary import view_pixels

_LABELS = {RIGHT: ("Right", "y"), PLACE: ("Wrong place", "w"), OTHER: ("Other template", "o"), NEW: ("New template", "n"),
           ABSENT: ("No part", "a")}  # fmt: skip
_CHOICES = tuple(Choice(answer, *_LABELS[answer], TAKES[answer], answer == NEW) for answer in TAKES)


def write_parts_page(asking: PartAsking, page: Path, budget: int) -> Path:
    """Write a page on which a person says where a part is.

    Parameters
    ----------
    asking : PartAsking
        The part.
    page : path
        An HTML file; one that is there is replaced if it is such a page, and no answers are kept for it that the run lacks.
    budget : int
        Questions at most.

    Raises
    ------
    InputError
        If nothing can be asked, the images are not where they were audited, or the page cannot be there.
    """
    check_page(page, budget)
    _refuse_untaken(page, asking)
    plan = asking.plan
    if not images_at_hand(plan):
        raise InputError(
            f"--page shows images, and the data set {plan.data} is not there; `--part` without it asks by CSV"
        )
    questions = asking.questions(budget)
    first = [(one.view, one.box) for one in asking.told if one.said == NEW]
    views = [*(one.view for one in questions), *(view for view, _ in first)]
    pixels = dict(zip(views, view_pixels(plan, asking.model, views), strict=True))
    about = asking.about
    file, run = "answers.csv", shlex.quote(str(asking.folder.path))
    sheet = Sheet(
        about.subject(plan),
        f"The {about.part} of {about.category}, {about.model}",
        f"Is the {about.part} in the dashed box? If not, draw a box around it. Wrong place: it looks as in the template by "
        "which it was found. Other template: as in another one. New template: as in none. Answers stay in this browser until "
        "you download them; what you leave open is asked again.",
        _CHOICES,
        COLUMNS,
        file,
        f"filterscope answer {run} {file}",
        NUMBERS,
    )
    known = [
        {"name": str(view), "picture": inlined(_webp(pixels[view])), "box": [v for v in box if v is not None]}
        for view, box in first
    ]
    state = len(asking.told)
    asked = [_question(asking, one, pixels[one.view], state) for one in questions]
    by = {made.key: str(one.template) for made, one in zip(asked, questions, strict=True) if one.template is not None}
    write_questions(page, sheet, asked, {"templates": known, "by": by}, ("boxes.js",))
    return page


def _question(asking: PartAsking, one: PartQuestion, pixels: np.ndarray, state: int) -> Question:
    about = asking.about
    facts = [("file", one.file), ("view", str(one.view))]
    if one.gain is not None:
        facts.append(("predicted gain", f"{one.gain:.3g}"))
    note = "Dashed: where it is found. Drag to draw a box." if one.found else "Drag to draw a box around the part."
    return Question(
        f"{one.view}-{state}",
        f"Is the {about.part} in the dashed box?" if one.found else f"Where is the {about.part}?",
        tuple(facts),
        _webp(pixels),
        (pixels.shape[1], pixels.shape[0]),
        (),
        note,
        one.cells(about),
        str(one.view),
        (*one.found, *one.size),
        () if one.found else (RIGHT, PLACE),
    )


def _refuse_untaken(page: Path, asking: PartAsking) -> None:
    """Stop where a server keeps answers for a page that the run does not know yet: another page would not show them."""
    kept = page.with_suffix(".answers.json")
    if not kept.is_file():
        return
    try:
        items: dict[str, Any] = json.loads(kept.read_bytes())["items"]
        given = [key for key, item in items.items() if item["answer"] is not None]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise InputError(f"{kept} cannot be read as answers; move it away, or name another --page") from None
    known = {str(one.view) for one in asking.told}
    left = [key for key in given if key.partition("-")[0] not in known]
    if left:
        run, file = shlex.quote(str(asking.folder.path)), shlex.quote(str(page.with_suffix(".csv")))
        raise InputError(
            f"{kept} holds {len(left)} answers that the run does not have: `filterscope answer {run} {file}` first, or name "
            "another --page"
        )


def _webp(pixels: np.ndarray) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "WEBP", quality=85, method=2, lossless=max(pixels.shape) < 128)
    return sink.getvalue()


__all__ = ["write_parts_page"]
