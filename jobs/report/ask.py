"""The verb `ask` as a page: the views to label next, each with its picture, what the network says and how sure it is."""

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filterscope.jobs.findings.ask import asked_about
from filterscope.jobs.report.pictures import drawn_size, frame_of, picture_of
from filterscope.jobs.report.questions import Choice, Question, Sheet, check_page, write_questions
from filterscope.jobs.report.thumbnails import Look, images_at_hand
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.blind_spots.asking import COLUMNS, RIGHT, UNSURE, WRONG, to_ask
from filterscope.pipeline.run.plan import Plan

_CHOICES = Choice(RIGHT, "Yes", "y"), Choice(WRONG, "No", "n"), Choice(UNSURE, "Unsure", "u")
_SAYS = (
    "Is the network right? Answer by button or key. Answers stay in this browser until you download them; nothing is sent. A "
    "picture that you are unsure of counts neither way and is not asked about again."
)


def write_ask_page(run: str | Path, page: Path, *, budget: int, policy: str, model: str | None = None) -> Path:
    """Write a page on which a person answers what `ask` asks.

    Parameters
    ----------
    run, budget, policy, model
        The questions; see `jobs.findings.ask.ask`.
    page : path
        An HTML file; one that is there is replaced if it is such a page.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If nothing can be asked, the images are not where they were audited, or the page cannot be there.
    """
    check_page(page, budget)
    plan, name = asked_about(run, budget, model)
    if not images_at_hand(plan):
        raise InputError(
            f"--page shows images, and the data set {plan.data} is not there; `filterscope ask` without it asks by CSV"
        )
    rows = to_ask(plan, name, policy, budget).to_dicts()
    known = _Pictures(plan, name)
    questions = [known.question(row) for row in rows]
    subject = f"blind spots {plan.data_identity} {name} {plan.model(name).weights_sha256}"
    sheet = Sheet(
        hashlib.sha256(subject.encode()).hexdigest()[:16],
        f"Blind spots of {name}",
        _SAYS,
        _CHOICES,
        COLUMNS,
        "questions.csv",
        f"filterscope answer {shlex.quote(str(run))} questions.csv",
    )
    write_questions(page, sheet, questions)
    return page


class _Pictures:
    """Views of a run as questions."""

    def __init__(self, plan: Plan, model: str) -> None:
        self._plan, self._dataset = plan, Dataset(plan.data)
        self._look = Look.of(plan, plan.model(model))

    def question(self, row: Mapping[str, Any]) -> Question:
        """Return a row of `to_ask` as a question."""
        view, index, name = row["view"], row["predicted"], row["name"]
        image = int(self._plan.views.image[view])
        columns = ["image", "uri", "height", "width", "sha256", "orientation"]
        (own,) = self._dataset.images.take([image]).select(columns).to_pylist()
        shape = own["height"], own["width"]
        picture, reason = picture_of(self._dataset, own)
        named = name not in (None, str(index))
        said, whole = (name, f"{name}, class {index}") if named else (f"class {index}", f"class {index}")
        return Question(
            f"{view}-{index}",
            f"Is it {said}?",
            (("the network says", whole), ("confidence", f"{row['confidence']:.3f}"), ("file", row["file"])),
            picture,
            drawn_size(*shape),
            tuple(frame_of(self._look, self._plan.views.window(view), *shape)[:4]),
            f"The file cannot be read: {reason}" if reason else "",
            tuple("" if row[column] is None else str(row[column]) for column in COLUMNS[:-1]),
        )


__all__ = ["write_ask_page"]
