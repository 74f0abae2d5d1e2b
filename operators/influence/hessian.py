"""The Hessian of a head's objective and products with its inverse: exact, by conjugate gradients or by LiSSA."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from filterscope.operators.influence.head import Data, Head, curvature, probabilities
from filterscope.operators.influence.solve import Product, conjugate_gradients, largest_eigenvalue, lissa
from filterscope.operators.numerics.seeds import seed_of

Floats = NDArray[np.float64]
Solver = Literal["exact", "cg", "lissa"]

#: Products of conjugate gradients, and the share of the right side that may be left.
CG_PRODUCTS, CG_TOLERANCE = 100, 1e-10
#: Terms of LiSSA's series, and views of the sample that each is of.
DEPTH, SAMPLE = 5000, 100
#: Right sides that are solved at once.
_AT_ONCE = 32


@dataclass(frozen=True)
class Hessian:
    """The Hessian at a head, damped.

    Attributes
    ----------
    data : Data
        The n training views.
    head : Head
        The head.
    damping : float
        Added to the diagonal, as a share of the mean eigenvalue.
    """

    data: Data
    head: Head
    damping: float

    @cached_property
    def _p(self) -> Floats:
        return probabilities(self.head.scores(self.data))

    @cached_property
    def mean_eigenvalue(self) -> float:
        """Mean of the eigenvalues without damping."""
        spread = self._p @ self.data.basis
        own = self._p @ self.data.basis**2 - spread**2
        trace = float(own.sum(axis=1) @ (self.data.x**2).sum(axis=1)) / len(self.data.y)
        v = self.head.v
        return float((trace + self.head.l2 * len(v) * (v.shape[1] - 1)) / v.size)

    @property
    def added(self) -> float:
        """What damping adds to every eigenvalue."""
        return self.damping * self.mean_eigenvalue

    def product(self, v: Floats) -> Floats:
        """Return the product with a v of shape (K - 1, D + 1)."""
        return self._product(v) + self.added * v

    @cached_property
    def _product(self) -> Product:
        n = len(self.data.y)
        return curvature(self.data, self._p, np.full(n, 1.0 / n), self.head.l2)

    @cached_property
    def largest(self) -> float:
        """The largest eigenvalue, damping included, by power iteration."""
        start = np.random.default_rng(seed_of("influence", "power iteration")).normal(size=self.head.v.shape)
        return largest_eigenvalue(self.product, start)

    def dense(self) -> Floats:
        """Return the matrix over `v.ravel()`, float64 of shape (P, P) with P = (K - 1) (D + 1)."""
        x, basis, n = self.data.x, self.data.basis, len(self.data.y)
        contrasts, features = self.head.v.shape
        spread, found = self._p @ basis, np.empty((contrasts, features, contrasts, features))
        for a in range(contrasts):
            for b in range(a + 1):
                weight = self._p @ (basis[:, a] * basis[:, b]) - spread[:, a] * spread[:, b]
                found[a, :, b] = x.T @ (weight[:, None] * x) / n
                found[b, :, a] = found[a, :, b].T
        matrix = found.reshape(contrasts * features, -1)
        penalised = np.full((contrasts, features), self.head.l2)
        penalised[:, -1] = 0.0
        matrix[np.diag_indices(len(matrix))] += penalised.ravel() + self.added
        return matrix

    @cached_property
    def factor(self) -> Floats:
        """Cholesky's lower factor of `dense`."""
        return np.asarray(cho_factor(self.dense(), lower=True, overwrite_a=True, check_finite=False)[0])

    def solved(self, b: Floats, solver: Solver, scale: float | None = None, seeds: Sequence[int] = ()) -> Floats:
        """Return the products of the inverse with each of T right sides, `b` of shape (T, K - 1, D + 1).

        Parameters
        ----------
        b : float64 ndarray of shape (T, K - 1, D + 1)
            Right sides.
        solver : {"exact", "cg", "lissa"}
            How.
        scale : float, optional
            Of LiSSA; twice the largest eigenvalue by default.
        seeds : sequence of int
            Of LiSSA's samples, one for each right side.

        Returns
        -------
        float64 ndarray of the shape of `b`
        """
        if solver == "exact":
            return self._exactly(b)
        if solver == "cg":
            found = [conjugate_gradients(self.product, one, CG_TOLERANCE, CG_PRODUCTS)[0] for one in b]
        else:
            factor = 2 * self.largest if scale is None else scale
            found = [
                lissa(self._sampled(np.random.default_rng(seed)), one, factor)
                for seed, one in zip(seeds, b, strict=True)
            ]
        return np.array(found).reshape(b.shape)

    def _exactly(self, b: Floats) -> Floats:
        """Solve a fixed number of right sides at once, so that none depends on which others there are, even by rounding."""
        found = np.empty_like(b)
        for start in range(0, len(b), _AT_ONCE):
            here = b[start : start + _AT_ONCE].reshape(-1, self.head.v.size)
            padded = np.zeros((self.head.v.size, _AT_ONCE), order="F")
            padded[:, : len(here)] = here.T
            solved = cho_solve((self.factor, True), padded, overwrite_b=True, check_finite=False)
            found[start : start + _AT_ONCE] = solved[:, : len(here)].T.reshape(-1, *b.shape[1:])
        return found

    def _sampled(self, draw: np.random.Generator) -> Iterator[Product]:
        """Yield products with the Hessians of samples of the views."""
        n = len(self.data.y)
        for _ in range(DEPTH):
            rows = draw.integers(0, n, min(SAMPLE, n))
            part = curvature(self.data.take(rows), self._p[rows], np.full(len(rows), 1.0 / len(rows)), self.head.l2)
            yield partial(self._damped, part)

    def _damped(self, part: Product, v: Floats) -> Floats:
        return part(v) + self.added * v

    def residual(self, s: Floats, b: Floats) -> Floats:
        """Return |H s - b| / |b| of each of T solutions; 0 where b is."""
        off = np.array([np.linalg.norm(self.product(one) - right) for one, right in zip(s, b, strict=True)])
        length = np.sqrt((b**2).sum(axis=(1, 2)))
        return np.asarray(np.divide(off, length, out=np.zeros(len(b)), where=length > 0))

    def lengths(self, b: Floats) -> Floats:
        """Return b^T H^-1 b of each right side by the exact inverse, float64 of shape (T,)."""
        flat = solve_triangular(self.factor, b.reshape(len(b), -1).T, lower=True, check_finite=False)
        return np.asarray((flat**2).sum(axis=0))


__all__ = ["CG_PRODUCTS", "DEPTH", "SAMPLE", "Hessian", "Solver"]
