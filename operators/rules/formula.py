"""Rules as a person writes them, and their truth in soft logic.

Atoms have truth from 0 to 1. From what binds most to what binds least:

======================  ==========================================
``~a``                  1 - a
``mean(a, b, ...)``     (a + b + ...) / how many
``a & b``               max(a + b - 1, 0)
``a | b``               min(a + b, 1)
``a => b``              min(1 - a + b, 1); a => b => c is a => (b => c)
======================  ==========================================

These are the operators of Lukasiewicz; on truth of 0 and 1 they are those of logic, but for the mean, which Hu et al. take for
conjunctions of many atoms.

References
----------
Z. Hu, X. Ma, Z. Liu, E. Hovy, E. Xing, Harnessing Deep Neural Networks with Logic Rules, ACL 2016.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # options read rules, and load nothing heavy
    import numpy as np
    from numpy.typing import NDArray

#: What an atom is about: an output of the network, or what an image shows.
KINDS = ("label", "concept")
#: Longest rule, and how deep its brackets and operators may nest.
MOST_CHARACTERS, DEEPEST = 2000, 50

_TOKEN = re.compile(r'\s*(?:(=>|[&|~(),])|(?:(\w+):(?:"([^"]+)"|((?:[^\s()&|~,"=]|=(?!>))+)))|(mean)\b)')


@dataclass(frozen=True, order=True)
class Atom:
    """Something that is true or false of an image: `kind` is one of `KINDS`."""

    kind: str
    name: str


@dataclass(frozen=True)
class Formula:
    """A formula: an operator and what it is applied to; of ``atom`` the atom, and no parts."""

    operator: Literal["atom", "not", "and", "or", "implies", "mean"]
    parts: "tuple[Formula, ...]" = ()
    atom: Atom | None = None

    def atoms(self) -> list[Atom]:
        """Return the atoms, each once, sorted."""
        own = {self.atom} if self.atom is not None else set()
        return sorted(own.union(*(part.atoms() for part in self.parts)))


def parse(text: str) -> Formula:
    """Read a formula.

    Raises
    ------
    ValueError
        If it is none: with the place where it stops being one.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"a rule of at most {MOST_CHARACTERS:,} characters; this one has {len(text):,}")
    reader = _Reader(text)
    found = reader.implication(0)
    if reader.token:
        raise reader.unexpected("an operator or the end")
    return found


class _Reader:
    """Reads a formula from left to right; `token` is what stands at the place that it has come to, "" at the end."""

    def __init__(self, text: str) -> None:
        self._text, self._start, self._end = text, 0, 0
        self.token = ""
        self._atom: Atom | None = None
        self._next()

    def _next(self) -> None:
        self._start = self._end
        if not self._text[self._end :].strip():
            self.token = ""
            return
        found = _TOKEN.match(self._text, self._end)
        if found is None:
            raise self.unexpected("label:NAME, concept:NAME, or one of => & | ~ ( ) mean(...)")
        self._end, self._atom = found.end(), None
        symbol, kind, quoted, bare, mean = found.groups()
        self.token = symbol or mean or "atom"
        if kind is not None:
            if kind not in KINDS:
                raise self.unexpected("label:NAME or concept:NAME")
            self._atom = Atom(kind, quoted or bare)

    def unexpected(self, wanted: str) -> ValueError:
        rest = self._text[self._start :].strip()
        return ValueError(
            f"{wanted} at {rest[:40]!r} in {self._text!r}" if rest else f"{wanted} at the end of {self._text!r}"
        )

    def _take(self, symbol: str) -> bool:
        if self.token != symbol:
            return False
        self._next()
        return True

    def implication(self, depth: int) -> Formula:
        if depth > DEEPEST:
            raise ValueError(f"brackets and operators at most {DEEPEST} deep in {self._text!r}")
        left = self._chain("|", "or", depth)
        return Formula("implies", (left, self.implication(depth + 1))) if self._take("=>") else left

    def _chain(self, symbol: str, operator: Literal["or", "and"], depth: int) -> Formula:
        """Read what one operator joins, from left to right."""
        read = self._negation if symbol == "&" else lambda deeper: self._chain("&", "and", deeper)
        found = read(depth)
        while self._take(symbol):
            depth += 1
            found = Formula(operator, (found, read(depth)))
        return found

    def _negation(self, depth: int) -> Formula:
        if depth > DEEPEST:
            raise ValueError(f"brackets and operators at most {DEEPEST} deep in {self._text!r}")
        if self._take("~"):
            return Formula("not", (self._negation(depth + 1),))
        if self._take("("):
            found = self.implication(depth + 1)
            self._close()
            return found
        if self._take("mean"):
            return self._mean(depth)
        atom = self._atom
        if atom is None or not self._take("atom"):
            raise self.unexpected("label:NAME or concept:NAME")
        return Formula("atom", atom=atom)

    def _mean(self, depth: int) -> Formula:
        if not self._take("("):
            raise self.unexpected("mean(a, b)")
        parts = [self.implication(depth + 1)]
        while self._take(","):
            parts.append(self.implication(depth + 1))
        self._close()
        return Formula("mean", tuple(parts))

    def _close(self) -> None:
        if not self._take(")"):
            raise self.unexpected("a closing bracket")


def truth(formula: Formula, values: "Mapping[Atom, NDArray[np.float64]]") -> "NDArray[np.float64]":
    """Return how true a formula is.

    Parameters
    ----------
    formula : Formula
        The formula.
    values : mapping of Atom to float64 ndarray
        Truth of its atoms, from 0 to 1, in shapes that broadcast.

    Returns
    -------
    float64 ndarray
        From 0 to 1, in the common shape of its atoms; NaN where the truth of any is.
    """
    import numpy as np

    if formula.atom is not None:
        return values[formula.atom]
    parts = [truth(part, values) for part in formula.parts]
    if formula.operator == "not":
        return 1 - parts[0]
    if formula.operator == "mean":
        return np.asarray(sum(parts[1:], parts[0]) / len(parts))
    one, other = parts
    if formula.operator == "and":
        return np.maximum(one + other - 1, 0)
    if formula.operator == "or":
        return np.minimum(one + other, 1)
    return implied(one, other)


def implied(antecedent: "NDArray[np.float64]", consequent: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return how true it is that one implies the other: min(1 - a + b, 1); arrays of truth that broadcast."""
    import numpy as np

    return np.minimum(1 - antecedent + consequent, 1)


__all__ = ["DEEPEST", "KINDS", "MOST_CHARACTERS", "Atom", "Formula", "implied", "parse", "truth"]
