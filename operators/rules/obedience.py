"""Whether a rule holds more often than by chance: its truth beside that with consequents permuted over images."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.rules.formula import implied

#: A grounding of less truth breaks a rule.
BROKEN = 0.5


@dataclass(frozen=True)
class Obedience:
    """A rule over n groundings.

    Attributes
    ----------
    truth : float
        Mean over the groundings.
    violations : int
        Groundings whose truth is below `BROKEN`.
    null : float
        Mean over permutations of the mean truth; NaN for a rule without consequent.
    p_value : float
        Share of permutations, with the groundings as they are as one more, in which the rule is as true; NaN likewise.
    """

    truth: float
    violations: int
    null: float
    p_value: float

    @property
    def lift(self) -> float:
        """Share of what is untrue by chance that is not here: 1 never broken, 0 as by chance, below 0 broken more often.

        NaN where nothing is untrue by chance, or chance is not known.
        """
        return (self.truth - self.null) / (1 - self.null) if self.null < 1 else float("nan")


def obedience(
    antecedent: NDArray[np.float64] | None, consequent: NDArray[np.float64], sources: Iterable[NDArray[np.int64]]
) -> Obedience:
    """Measure a rule.

    Parameters
    ----------
    antecedent, consequent : float64 ndarray of shape (n,)
        Truth of both sides of its implication, n > 0. A rule that is no implication has no antecedent, and its truth as
        consequent.
    sources : iterable of int64 ndarray of shape (n,)
        For each permutation, the grounding whose consequent each one gets.
    """
    if antecedent is None:
        own = float(consequent.mean())
        return Obedience(own, int((consequent < BROKEN).sum()), float("nan"), float("nan"))
    found = implied(antecedent, consequent)
    truth = float(found.mean())
    null = np.array([implied(antecedent, consequent[source]).mean() for source in sources])
    as_true = int((null >= truth - 1e-12).sum())  # sums of the same numbers in another order
    return Obedience(truth, int((found < BROKEN).sum()), float(null.mean()), (1 + as_true) / (1 + len(null)))


__all__ = ["BROKEN", "Obedience", "obedience"]
