"""A page that asks a person about pictures, one at a time, and gives the answers back as CSV: one file that needs no other.

What is asked, how it may be answered and what the CSV holds come from whoever asks; the page knows no method. Pictures, style
and scripts stand in the file, and a policy in it forbids every request: what a person looks at stays on their disk.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from filterscope.jobs.report.render import HERE, write_page
from filterscope.pipeline.engine.errors import InputError

#: Questions on a page at most: their pictures are in it.
MOST = 1000
#: By which a page of questions is known as one, in the first bytes of its file.
_MARK = '<meta name="generator" content="filterscope questions">'
#: Where what it holds begins.
_HELD = '<script type="application/json" id="held">'
_STYLES, _SCRIPTS = ("style.css", "questions.css"), ("dom.js", "files.js", "questions.js")


@dataclass(frozen=True)
class Choice:
    """A way to answer: what the CSV says, what the button says, and the key that presses it.

    `takes` are names of numbers that come with it; where it `begins` a template, other answers may name that.
    """

    answer: str
    label: str
    key: str
    takes: tuple[str, ...] = ()
    begins: bool = False


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes
    ----------
    key : str
        What an answer is kept by in the browser: the same whenever this is asked of the same subject.
    title : str
        What is asked.
    facts : tuple of (str, str)
        What else is known, name and value.
    picture : bytes
        A WebP file.
    size : (int, int)
        Width and height in which it is drawn.
    frame : tuple of float
        Left, top, width and height of what it is about, as parts of the picture; empty for all of it.
    note : str
        What is to be said of the picture; empty for nothing.
    row : tuple of str
        Cells of its row of the CSV before the answer.
    begins : str
        Number of the template that an answer to it begins.
    found : tuple of float
        What is drawn on the picture, in its pixels: y and x, or these and height and width; empty for nothing.
    without : tuple of str
        Answers that do not fit it.
    """

    key: str
    title: str
    facts: tuple[tuple[str, str], ...]
    picture: bytes
    size: tuple[int, int]
    frame: tuple[float, ...]
    note: str
    row: tuple[str, ...]
    begins: str = ""
    found: tuple[float, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """What all questions of a page share.

    Attributes
    ----------
    subject : str
        What they are about, as an identity: answers are kept by it in the browser, apart from those about others.
    title, says : str
        Heading, and what a person must know before the first answer.
    choices : tuple of Choice
        Ways to answer.
    columns : tuple of str
        Columns of the CSV; after those of a question's row the answer, then the numbers.
    file : str
        Name under which it is downloaded.
    then : str
        The command that takes it.
    numbers : tuple of str
        Names of what answers may take; an answer is then one text, its word and its numbers with blanks between.
    """

    subject: str
    title: str
    says: str
    choices: tuple[Choice, ...]
    columns: tuple[str, ...]
    file: str
    then: str
    numbers: tuple[str, ...] = ()


def check_page(path: Path, questions: int) -> None:
    """Refuse a file that a page of so many questions is not to be written to.

    Raises
    ------
    InputError
        If it is no .html, holds something else, or there are too many questions.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--page {path}: a page is an HTML file; name it {path.with_suffix('.html').name}")
    if questions > MOST:
        raise InputError(
            f"--budget {questions:,} with --page: a page holds the pictures of its questions, {MOST:,} at most; answer those "
            "first, and ask again for the next"
        )
    if path.is_dir() or (path.exists() and _MARK.encode() not in path.read_bytes()[:4096]):
        raise InputError(f"--page {path} exists and is no page of questions; choose another name")


def write_questions(
    path: Path, sheet: Sheet, questions: Sequence[Question], more: Mapping[str, Any] = MappingProxyType({}),
    scripts: Sequence[str] = (),
) -> None:  # fmt: skip
    """Write a page; see `check_page` for where.

    Parameters
    ----------
    path, sheet, questions
        The file and what is asked.
    more : mapping
        What else scripts find in the page; with `edits`, answers are downloaded as JSON that begins with these.
    scripts : sequence of str
        Static scripts that run before that of the questions; each hears of answers by the event `answers`.
    """
    held = {
        **asdict(sheet),
        "questions": [{**asdict(one), "picture": inlined(one.picture)} for one in questions],
        **more,
    }
    scripts = [_static(name) for name in (*_SCRIPTS[:-1], *scripts, _SCRIPTS[-1])]
    write_page(
        path.parent,
        (path.name,),
        "questions.html",
        mark=Markup(_MARK),
        sheet=sheet,
        held=held,
        count=len(questions),
        styles=[Markup(_static(name)) for name in _STYLES],
        scripts=[Markup(text) for text in scripts],
        policy=_policy(scripts),
    )


def held_of(path: Path) -> dict[str, Any]:
    """Return what a page of questions holds.

    Raises
    ------
    InputError
        If it is no such page.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        if _MARK not in text[:4096]:
            raise ValueError("it has not the mark of one")
        found = json.loads(text.partition(_HELD)[2].partition("</script>")[0])
        _ = found["subject"], found["questions"], found["choices"], found["file"], found["title"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} is no page of questions: {error}") from None
    return dict(found)


def served_page(path: Path, saved: Mapping[str, Any]) -> bytes:
    """Return a page that also sends every answer to the server that it comes from, and begins with those that are `saved`."""
    text, script = path.read_text(encoding="utf-8"), _static("served.js")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    policy = re.compile(r'(http-equiv="Content-Security-Policy" content=")[^"]*')
    allowed = Markup.escape(_policy([*scripts, script]) + "; connect-src 'self'")
    text = policy.sub(lambda found: found[1] + allowed, text, count=1)
    written = json.dumps(saved).replace("<", "\\u003c")
    known = f'<script type="application/json" id="saved">{written}</script>\n<script>{script}</script>\n'
    at = text.rindex("<script>")  # before the script of the questions, which begins with what it finds in the storage
    return (text[:at] + known + text[at:]).encode()


#: A number of an answer, as pages write it.
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,4})?", re.ASCII)


def answer_of(text: object, held: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
    """Return the word of an answer and its numbers by name; None for what no page writes."""
    if not isinstance(text, str):
        return None
    word, *numbers = text.split(" ")
    for choice in held["choices"]:
        if choice["answer"] == word:
            takes = choice.get("takes", ())
            fits = len(takes) == len(numbers) and all(_NUMBER.fullmatch(number) for number in numbers)
            return (word, dict(zip(takes, numbers, strict=True))) if fits else None
    return None


def cells_of(held: Mapping[str, Any], answers: Mapping[str, str]) -> list[list[str]]:
    """Return the rows of a page's CSV; `answers` by key. One that names a template that none has, or has any more, is blank."""
    given = {one["key"]: answer_of(answers.get(one["key"]), held) for one in held["questions"]}
    begin = {choice["answer"] for choice in held["choices"] if choice.get("begins")}
    begun = {one["begins"] for one in held["questions"] if (said := given[one["key"]]) and said[0] in begin}
    begun |= {one["name"] for one in held.get("templates", ())}
    rows = []
    for one in held["questions"]:
        word, numbers = given[one["key"]] or ("", {})
        if "template" in numbers and numbers["template"] not in begun:
            word, numbers = "", {}
        rows.append([*one["row"], word, *(numbers.get(name, "") for name in held.get("numbers", ()))])
    return rows


def _static(name: str) -> str:
    return (HERE / "static" / name).read_text(encoding="utf-8")


def inlined(picture: bytes) -> str:
    """Return a WebP file as an address of its own."""
    return f"data:image/webp;base64,{base64.b64encode(picture).decode()}"


def _policy(scripts: Sequence[str]) -> str:
    """Return what the browser is told to allow: these scripts, styles and pictures of the page, and no request at all."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; form-action 'none'"


__all__ = [
    "MOST", "Choice", "Question", "Sheet", "answer_of", "cells_of", "check_page", "held_of", "inlined", "served_page",
    "write_questions",
]  # fmt: skip
