"""A part graph that grows by questions: what is known of a part, what each answer adds, and where the part is found with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.and_or.asking import next_question, next_questions, unlikeness
from filterscope.operators.and_or.growing import Template, grow
from filterscope.operators.and_or.parsing import parse
from filterscope.operators.and_or.responses import LayerResponses
from filterscope.operators.localization.templates import NONE

#: What a person may say: it is right; right template, wrong place; another template; one that is not known yet; no part.
Said = Literal["right", "place", "other", "new", "absent"]


@dataclass(frozen=True)
class Answer:
    """What is said about the part of an object.

    Attributes
    ----------
    view : int
        The object.
    said : {"right", "place", "other", "new", "absent"}
        The kind of answer.
    template : int
        The template that it belongs to: of `right` and `place` the one found, of `new` the next number; -1 if absent.
    part : tuple of float
        y and x of the part; of `right` where it was found. Empty if absent.
    """

    view: int
    said: Said
    template: int
    part: tuple[float, ...]


@dataclass
class Inquiry:
    """The state of a part graph between two questions; the same answers in the same order give the same state.

    Attributes
    ----------
    layers : sequence of LayerResponses
        Of all objects, from the top.
    extent : (int, int)
        Height and width of the input.
    pool : int64 ndarray of shape (n,)
        Views that may be asked about.
    answers : list of Answer
        All answers so far.
    """

    layers: Sequence[LayerResponses]
    extent: tuple[int, int]
    pool: NDArray[np.int64]
    answers: list[Answer] = field(default_factory=list)
    _grown: dict[tuple[tuple[int, tuple[float, ...]], ...], Template] = field(default_factory=dict)
    _parsed: dict[tuple[int, bytes], tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Describe objects by the strongest response of each channel, with silent ones at 0."""
        strongest = [layer.response[self.pool].max(axis=(2, 3)) - NONE for layer in self.layers]
        self.apart = unlikeness(np.concatenate(strongest, axis=1).astype(np.float64))

    def take(self, answer: Answer) -> None:
        """Take an answer.

        Raises
        ------
        ValueError
            If the object was asked about already, or the template is not one that there is.
        """
        if any(known.view == answer.view for known in self.answers):
            raise ValueError(f"view {answer.view} is answered already")
        there = len(self.branches)
        if answer.said == "absent":
            fits = answer.template == -1
        else:
            fits = answer.template == there if answer.said == "new" else 0 <= answer.template < there
        if not fits:
            raise ValueError(f"{answer.said!r} of template {answer.template}; there are {there}")
        self.answers.append(answer)

    @property
    def branches(self) -> list[list[Answer]]:
        """Return the annotated objects of each template; what was right already adds nothing to it."""
        found: list[list[Answer]] = []
        for answer in self.answers:
            if answer.said == "new":
                found.append([])
            if answer.said in ("new", "place", "other"):
                found[answer.template].append(answer)
        return found

    @property
    def templates(self) -> list[Template]:
        """Return the templates, each grown from all of its annotated objects."""
        return [self._template(branch) for branch in self.branches]

    def _template(self, branch: list[Answer]) -> Template:
        key = tuple((answer.view, answer.part) for answer in branch)
        if key not in self._grown:
            rows, part = np.array([view for view, _ in key]), np.array([place for _, place in key])
            self._grown[key] = grow(self.layers, rows, part, float(max(self.extent)))
        return self._grown[key]

    def parsed(self, views: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Return where the best template finds the part on n views (n, 2), its score (n,) and its number (n,)."""
        found = []
        for template in self.templates:
            key = id(template), views.tobytes()  # templates stay in `_grown`, so that no other has the identity
            if key not in self._parsed:
                self._parsed[key] = parse(template, self.layers, views, self.extent)
            found.append(self._parsed[key])
        centres, scores = (np.stack(column) for column in zip(*found, strict=True))
        best = scores.argmax(axis=0)
        at = np.arange(len(views))
        return centres[best, at], scores[best, at], best

    def ask(self, strategy: str, chance: NDArray[np.float64]) -> int:
        """Return the view of the pool to ask about next; before the first template, the first by `chance`.

        Raises
        ------
        ValueError
            If nothing is left to ask.
        """
        asked = self._asked()
        if not self.branches:
            return int(self.pool[np.where(asked, np.inf, chance).argmin()])
        shown, score, template, left, apart = self._shown(asked)
        return int(self.pool[shown[next_question(strategy, score, template, left, apart, chance[shown])]])

    def ask_several(self, count: int, chance: NDArray[np.float64]) -> list[tuple[int, float]]:
        """Return views of the pool to ask about before the next answer comes, with their predicted gains.

        See `next_questions`; before the first template the first by `chance`, with NaN.

        Raises
        ------
        ValueError
            If nothing is left to ask.
        """
        asked = self._asked()
        if not self.branches:
            order = np.argsort(chance, kind="stable")
            return [(int(self.pool[at]), np.nan) for at in order[~asked[order]][:count]]
        shown, score, template, left, apart = self._shown(asked)
        chosen = next_questions(score, template, left, apart, count)
        return [(int(self.pool[shown[at]]), gain) for at, gain in chosen]

    def _asked(self) -> NDArray[np.bool_]:
        asked = np.isin(self.pool, [answer.view for answer in self.answers])
        if asked.all():
            raise ValueError("all objects are answered")
        return asked

    def _shown(
        self, asked: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
        """Return what is chosen by, of views that may show the part: place in the pool, score, template, left, unlikeness."""
        absent = [answer.view for answer in self.answers if answer.said == "absent"]
        shown = np.flatnonzero(~np.isin(self.pool, absent))
        _, score, template = self.parsed(self.pool)
        return shown, score[shown], template[shown], ~asked[shown], self.apart[np.ix_(shown, shown)]


__all__ = ["Answer", "Inquiry", "Said"]
