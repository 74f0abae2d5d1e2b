"""The verbs `ask` and `answer` about parts: the crops whose answers are predicted to teach most, and what a person says."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from filterscope.jobs.findings.edit import resolved
from filterscope.jobs.findings.localize import refuse_unfinished
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.engine.runner import LocalRunner
from filterscope.pipeline.methods.and_or.drawn import answer_verdict
from filterscope.pipeline.methods.and_or.grown import Grown, Pool
from filterscope.pipeline.methods.and_or.person import (
    ABSENT,
    NEW,
    OTHER,
    PLACE,
    RIGHT,
    About,
    Told,
    in_order,
    keep_told,
    kept_answers,
)
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.views.decode import view_files

#: Columns of the CSV: what is asked, where the part was found with which template, and what is for the person.
ABOUT = ("model", "category", "part", "layers")
ASKED = (*ABOUT, "view", "file", "predicted_gain", "found_template", "found_y", "found_x")
#: The box's numbers come after the answer; `template` is the view that another template began with.
NUMBERS = ("template", "y", "x", "height", "width")
COLUMNS = (*ASKED, "answer", *NUMBERS)
#: Questions of one call, and what is told at once of a file that is wrong; bytes of a file at most.
BUDGET, _TOLD, _LARGEST = 5, 20, 64 * 2**20
#: Numbers that each answer takes.
TAKES = {RIGHT: (), PLACE: NUMBERS[1:], OTHER: NUMBERS, NEW: NUMBERS[1:], ABSENT: ()}


@dataclass(frozen=True)
class PartQuestion:
    """A crop to ask about.

    Attributes
    ----------
    view, file
        Its number and image.
    gain : float or None
        Predicted; None before the first template.
    template : int or None
        The view with which the template began by which the part was found.
    found, size : tuple of float
        y and x, and height and width of the template's usual box; empty before the first template, and of points.
    """

    view: int
    file: str
    gain: float | None
    template: int | None
    found: tuple[float, ...]
    size: tuple[float, ...]

    def cells(self, about: About) -> tuple[str, ...]:
        """Return its cells of the CSV before the answer."""
        gain = "" if self.gain is None else f"{self.gain:.6g}"
        found = [f"{value:.2f}" for value in self.found] or ["", ""]
        own = [str(getattr(about, name)) for name in ABOUT]
        return (*own, str(self.view), self.file, gain, "" if self.template is None else str(self.template), *found)


class PartAsking:
    """A run, and a part of it that a person is asked about.

    Parameters
    ----------
    run : path
        A run of object crops whose activations were kept.
    part : str
        A landmark of the data set.
    category, model, layers : str, optional
        Where the run has several; layers, separated by commas: all of the run.

    Raises
    ------
    InputError
        If the run has no such part or is not finished, or several models or categories are left.
    """

    def __init__(
        self, run: str | Path, part: str, *, category: str | None = None, model: str | None = None,
        layers: str | None = None,
    ) -> None:  # fmt: skip
        self.folder = RunFolder.existing(run)
        self.plan: Plan = self.folder.plan()
        refuse_unfinished(self.plan, "and-or")
        self.model, named, used = resolved(self.plan, part, category, model, layers)
        self.about = About(self.model.name, named, part, used)

    @cached_property
    def told(self) -> list[Told]:
        """Answers so far."""
        return kept_answers(self.plan, self.model).get(self.about, [])

    @cached_property
    def pool(self) -> Pool:
        """Crops that may be asked about."""
        return Pool.of(self.plan, self.model, self.about, self.told)

    def questions(self, budget: int) -> list[PartQuestion]:
        """Return the crops whose answers are predicted to teach most, at most so many.

        Raises
        ------
        InputError
            If nothing is left to ask.
        """
        if budget < 1:
            raise InputError(f"--budget {budget}: at least 1 question")
        asked = np.isin(self.pool.views, [one.view for one in self.told])
        if asked.all():
            raise InputError(f"nothing is left to ask: all {len(asked)} crops that may be asked about are answered")
        if not any(one.said == NEW for one in self.told):
            order = np.argsort(np.where(asked, np.inf, self.pool.chance), kind="stable")
            views = self.pool.views[order[: min(budget, int((~asked).sum()))]].tolist()
            files = self._files(views)
            return [PartQuestion(view, name, None, None, (), ()) for view, name in zip(views, files, strict=True)]
        return self._informed(budget)

    def _informed(self, budget: int) -> list[PartQuestion]:
        updated(self.folder)
        grown = Grown.of(self.plan, self.model, self.about, self.pool, heldout=False)
        for one in self.told:
            grown.take(one)
        chosen = grown.inquiry.ask_several(budget, self.pool.chance)
        at = np.array([place for place, _ in chosen], np.int64)
        centre, _, best = grown.inquiry.parsed(at)
        views = grown.view[at].tolist()
        found = []
        for number, (view, name) in enumerate(zip(views, self._files(views), strict=True)):
            size = grown.sizes(int(best[number]))
            found.append(
                PartQuestion(
                    view,
                    name,
                    chosen[number][1],
                    grown.names[int(best[number])],
                    tuple(centre[number].tolist()),
                    () if np.isnan(size).any() else tuple(size.tolist()),
                )
            )
        return found

    def _files(self, views: Sequence[int]) -> list[str]:
        return view_files(Dataset(self.plan.data), self.plan.views.image[np.array(views, np.int64)])


def csv_of(asking: PartAsking, questions: Sequence[PartQuestion]) -> pl.DataFrame:
    """Return questions as rows of the CSV, with empty answers."""
    rows = [(*one.cells(asking.about), "", *("" for _ in NUMBERS)) for one in questions]
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def updated(folder: RunFolder) -> None:
    """Compute what is missing of the graphs that answers grow."""
    plan = folder.plan()
    if "and-or" not in plan.options.methods:
        plan = plan.with_options(methods=(*plan.options.methods, "and-or"))
        folder.extend(plan)
    stages = Stages(plan)
    for name in ("and-or-units", "and-or-answers"):
        kind = stages.kind(name)
        for stage in kind.plan(kind, plan, stages.prints):
            folder.ledger.forget(key for key in stage.keys if folder.ledger.changed([key]))
            LocalRunner(folder.ledger).run(stage)


def is_about_parts(file: Path) -> bool:
    """Tell whether a CSV is one of questions about parts."""
    try:
        with file.open("rb") as opened:
            head = opened.readline(65536).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return False
    return "found_template" in next(csv.reader([head]), [])


@dataclass(frozen=True)
class KeptParts:
    """What became of the rows of a CSV: answers kept now, known already, left blank; and what the part is found by now."""

    new: int
    known: int
    blank: int
    about: tuple[About, ...]

    def said(self, run: str | Path) -> str:
        """Return it as text."""
        known = f", {self.known} known already" if self.known else ""
        blank = f", {self.blank} left blank" if self.blank else ""
        return "\n".join([f"{self.new} answers kept{known}{blank}", *(answer_verdict(run, one) for one in self.about)])


def answer_parts(run: str | Path, file: str | Path) -> KeptParts:
    """Keep the answers of a CSV that `ask --part` gave, grow the graphs again and measure them.

    Raises
    ------
    InputError
        With every row that is wrong; then none is kept.
    """
    folder = RunFolder.existing(run)
    rows = _rows(Path(file))
    with RunLock(folder.path, "answer"):  # before what was told is read: another call may be adding to it
        checks, blank = _checked(run, Path(file), rows)
        for check in checks:
            check.write()
        if checks:
            updated(folder)
    new, known = (sum(len(getattr(check, name)) for check in checks) for name in ("new", "known"))
    return KeptParts(new, known, blank, tuple(check.asking.about for check in checks))


def _checked(run: str | Path, file: Path, rows: list[dict[str, str]]) -> tuple[list["_Checks"], int]:
    """Return the answers of rows by what they are about, and how many rows are blank; InputError with all that is wrong."""
    checks: dict[tuple[str, ...], _Checks] = {}
    problems: list[str] = []
    blank = 0
    for number, row in enumerate(rows, 2):
        if not row["answer"].strip():
            blank += 1
            continue
        names = tuple(_unquoted(row[name]) for name in ABOUT)
        try:
            if names not in checks:
                model, category, part, layers = names
                asking = PartAsking(run, part, category=category, model=model, layers=layers)
                checks[names] = _Checks(asking)
            checks[names].take(row, f"{file.name}, row {number}")
        except InputError as error:
            row_of = f"{file.name}, row {number}"
            problems.append(str(error) if row_of in str(error) else f"{row_of}: {error}")
    for check in checks.values():
        problems += check.unknown_templates()
    if problems:
        told = [*problems[:_TOLD], *([f"and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else [])]
        raise InputError("\n".join([*told, "No answer was kept: correct these rows and give the file again."]))
    return list(checks.values()), blank


def _rows(file: Path) -> list[dict[str, str]]:
    """Read a CSV, all of it as text."""
    try:
        if file.stat().st_size > _LARGEST:
            raise InputError(f"{file} has {file.stat().st_size:,} bytes, more than answers have")
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened, strict=True)
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise InputError(
                    f"{file} has no column {' and none '.join(lacking)}; fill in that of `filterscope ask`"
                )
            return [{name: row.get(name) or "" for name in COLUMNS} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read as CSV in UTF-8: {error}") from None


def _unquoted(text: str) -> str:
    """Return a cell without the ' that stands before what a spreadsheet takes for a formula."""
    return text[1:] if text[:1] == "'" and text[1:2] in tuple("=+-@\t\r") and text[1:2] else text


class _Checks:
    """What the answers about one part are checked against, and those that are new."""

    def __init__(self, asking: PartAsking) -> None:
        self.asking = asking
        views = asking.pool.views.tolist()
        images = asking.plan.views.image[np.array(views, np.int64)].tolist()
        files = view_files(Dataset(asking.plan.data), np.array(images, np.int64))
        self._files, self._images = dict(zip(views, files, strict=True)), dict(zip(views, images, strict=True))
        self._kept = {one.view: one for one in asking.told}
        self._extent = asking.model.geometry(asking.plan.options.geometry).size
        self.new, self.known = list[Told](), list[Told]()

    def take(self, row: dict[str, str], where: str) -> None:
        """Take the answer of a row.

        Raises
        ------
        InputError
            If it is no answer about a crop of this run, or contradicts another.
        """
        told = self._told(row, where)
        other = self._kept.get(told.view)
        if other is None:
            self._kept[told.view] = told
            self.new.append(told)
        elif _alike(told, other):
            self.known.append(told)
        else:
            raise InputError(
                f"{where}: view {told.view} is answered {row['answer'].strip()!r}, but {other.source} answers {other.said!r}"
                f"{' otherwise' if told.said == other.said else ''}; keep one of the two"
            )

    def _told(self, row: dict[str, str], where: str) -> Told:
        view, said = _whole(row["view"]), row["answer"].strip().lower()
        if view is None or view not in self._files:
            raise InputError(f"{where}: {row['view']!r} is the number of no view that `filterscope ask` asks about")
        if _unquoted(row["file"]) != self._files[view]:
            name = self._files[view]
            raise InputError(
                f"{where}: view {view} of this run is of {name}, not {row['file']}: the file is of another run"
            )
        if said not in TAKES:
            raise InputError(f"{where}: the answer {row['answer'].strip()[:80]!r}; write {', '.join(TAKES)}")
        found = _whole(row["found_template"])
        if said in (RIGHT, PLACE) and found is None:
            raise InputError(f"{where}: {said!r} of a crop on which nothing was found; write new or absent")
        template = {RIGHT: found, PLACE: found, NEW: view, ABSENT: None}.get(said)
        if said == OTHER:
            template = _whole(row["template"])
            if template is None:
                raise InputError(f"{where}: write into the column template the view that the other template began with")
        box: tuple[float | None, ...] = ()
        if said == RIGHT:
            box = (*self._numbers(row, ("found_y", "found_x"), where), None, None)
        elif said != ABSENT:
            box = self._box(row, where)
        gain = _real(row["predicted_gain"])
        return Told(view, said, template, box, gain, where)

    def _box(self, row: dict[str, str], where: str) -> tuple[float | None, ...]:
        y, x = self._numbers(row, ("y", "x"), where)
        size = [row[name].strip() for name in ("height", "width")]
        if size == ["", ""]:
            return y, x, None, None
        height, width = self._numbers(row, ("height", "width"), where)
        if not (height > 0 and width > 0):
            raise InputError(f"{where}: a box has a height and a width above 0; leave both empty for a point")
        return y, x, height, width

    def _numbers(self, row: dict[str, str], names: tuple[str, str], where: str) -> tuple[float, float]:
        found = []
        for name, most in zip(names, self._extent, strict=True):
            value = _real(row[name])
            if value is None or not -0.5 <= value <= most:
                raise InputError(f"{where}: {name} {row[name][:40]!r}; expected pixels of the crop, 0 to {most}")
            found.append(value)
        return found[0], found[1]

    def unknown_templates(self) -> list[str]:
        """Say which answers name a template that none began, whatever the order of the rows."""
        began = {one.view for one in self._kept.values() if one.said == NEW}
        return [
            f"{one.source}: no template began with view {one.template}; templates began with "
            f"{', '.join(map(str, sorted(began))) or 'none'}"
            for one in self.new
            if one.template is not None and one.template not in began
        ]

    def write(self) -> None:
        """Keep the new answers, in a file of their own."""
        if self.new:
            asking = self.asking
            keep_told(asking.plan, asking.about, self._images, len(asking.told), in_order(self.new))


def _alike(one: Told, other: Told) -> bool:
    """Tell whether two answers say the same, to what a CSV writes of numbers."""
    if (one.said, one.template, len(one.box)) != (other.said, other.template, len(other.box)):
        return False
    return all(
        (a is None and b is None) or (a is not None and b is not None and abs(a - b) < 1e-6)
        for a, b in zip(one.box, other.box, strict=True)
    )


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _real(text: str) -> float | None:
    try:
        value = float(text.strip()) if len(text) < 40 else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def pixels_to(folder: Path, asking: PartAsking, questions: Sequence[PartQuestion]) -> None:
    """Write the crops of questions as PNG files, in whose pixels the numbers of the CSV are."""
    from PIL import Image

    from filterscope.pipeline.methods.graph.dictionary import view_pixels

    folder.mkdir(parents=True, exist_ok=True)
    found = view_pixels(asking.plan, asking.model, [one.view for one in questions])
    for one, pixels in zip(questions, found, strict=True):
        Image.fromarray(pixels).save(folder / f"{one.view}.png")


__all__ = [
    "ABOUT", "ASKED", "BUDGET", "COLUMNS", "NUMBERS", "TAKES", "KeptParts", "PartAsking", "PartQuestion",
    "answer_parts", "csv_of", "is_about_parts", "pixels_to", "updated",
]  # fmt: skip
