"""The smallest change of an image that changes its class, by box-constrained L-BFGS."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.attacks.slope import PASSES, Slope

#: Iterations of L-BFGS for one weight of the loss.
ITERATIONS = 40
#: A change this much longer than necessary, as a share, is short enough.
TOLERANCE = 1e-3
_HALVINGS = 14
_ALONE = np.zeros(1, np.int64)


@dataclass
class Shortest:
    """What was found.

    Attributes
    ----------
    image : float64 ndarray of shape (height, width, channels)
        The attacked image, or the image itself where nothing was found.
    weight : float or None
        The smallest weight c of the loss whose minimum has the class, or is nearly as long as what has it; None where nothing
        was found.
    queries : int
        What it took, in forward passes.
    """

    image: NDArray[np.float64]
    weight: float | None
    queries: int


@dataclass
class _Search:
    """Minimises |u|^2 + c loss(x + unit u) over changes u of length about 1, and remembers the shortest that has the class."""

    image: NDArray[np.float64]
    slope: Slope
    unit: float
    best: NDArray[np.float64] | None = None
    queries: int = 0
    lowest: float = field(default=np.inf)

    def minimised(self, weight: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.optimize import minimize

        flat = self.image.ravel()
        bounds = np.stack([-flat / self.unit, (1 - flat) / self.unit], axis=1)
        found = minimize(
            self._value, start, args=(weight,), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "ftol": 1e-10, "gtol": 1e-9},
        )  # fmt: skip
        return np.asarray(found.x)

    def has_class(self, change: NDArray[np.float64]) -> bool:
        self.queries += PASSES
        return bool(self.slope(self.shown(change), _ALONE)[2][0])

    def pull_back(self) -> None:
        """Shorten the shortest change along itself, as far as it keeps the class."""
        if self.best is None:
            return
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.has_class(middle * self.best) else (middle, high)
        self.best = high * self.best
        self.lowest = float(np.linalg.norm(self.best))

    def _value(self, change: NDArray[np.float64], weight: float) -> tuple[float, NDArray[np.float64]]:
        losses, gradients, reached = self.slope(self.shown(change), _ALONE)
        self.queries += PASSES
        length = float(np.linalg.norm(change))
        if reached[0] and length < self.lowest:
            self.best, self.lowest = change.copy(), length
        return length**2 + weight * float(losses[0]), 2 * change + weight * self.unit * gradients[0].ravel()

    def shown(self, change: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(self.image + self.unit * change.reshape(self.image.shape), 0, 1)[None]


def lbfgs(image: NDArray[np.float64], slope: Slope, tries: int = 20) -> Shortest:
    """Search the smallest weight c for which the minimum of |r|^2 + c loss(x + r), x + r in the pixel range, has the class.

    Parameters
    ----------
    image : float64 ndarray of shape (height, width, channels)
        Pixels x from 0 to 1, of a class that is not yet the one asked for.
    slope : Slope
        A loss to be lowered, log(1 + exp m) of the lead m that the present class has over the one asked for.
    tries : int
        Weights that are tried at most: doubled until one has the class, then bisected.

    Returns
    -------
    Shortest

    References
    ----------
    Szegedy et al. 2014, Intriguing Properties of Neural Networks, section 4.1.

    Notes
    -----
    The paper minimises c|r| + loss; here the length is squared, which is smooth at 0, and the weight is on the loss, so that
    the smallest that succeeds gives the shortest change. After each success the change is shortened along itself until it
    is about to lose the class, and the search ends when the minimum of a weight that fails is nearly as long.
    """
    losses, gradients, reached = slope(image[None], _ALONE)
    lead, steepness = _lead(float(losses[0])), float(np.linalg.norm(gradients[0]))
    if reached[0] or not steepness > 0 or not np.isfinite(steepness):
        return Shortest(image.copy(), None, PASSES)
    # where the lead is linear it ends at this length, under a weight of 4 / lead in lengths of this unit
    lead = max(lead, 1e-6)
    search = _Search(image, slope, lead * -np.expm1(-max(float(losses[0]), 1e-6)) / steepness, queries=PASSES)
    weight, low, high, change = 2 / lead, 0.0, np.inf, np.zeros(image.size)
    for _ in range(tries):
        change = search.minimised(weight, change if search.best is None else search.best)
        if search.has_class(change):
            high = weight
        else:
            low = weight
        search.pull_back()
        short = search.best is not None and low == weight and np.linalg.norm(change) >= (1 - TOLERANCE) * search.lowest
        if short or high < low * (1 + TOLERANCE):
            break
        weight = 2 * weight if np.isinf(high) else high / 2 if low == 0 else float(np.sqrt(low * high))
    if search.best is None:
        return Shortest(image.copy(), None, search.queries)
    smallest = low if np.isinf(high) else high
    return Shortest(search.shown(search.best)[0], smallest * search.unit**2, search.queries)


def _lead(loss: float) -> float:
    """Return m from log(1 + exp m)."""
    return float(loss + np.log(-np.expm1(-loss))) if loss > 0 else 0.0


__all__ = ["ITERATIONS", "TOLERANCE", "Shortest", "lbfgs"]
