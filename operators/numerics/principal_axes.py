"""Eigenvectors of small symmetric matrices by Jacobi's rotations: one fixed order, whatever the libraries and threads.

References
----------
G. Golub and C. Van Loan, Matrix computations, section 8.5: cyclic Jacobi.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_SWEEPS = 30


@njit(cache=True, nogil=True)
def _rotate(a: NDArray[np.float64], v: NDArray[np.float64], p: int, q: int) -> None:
    """Rotate axes p and q so that a[p, q] becomes 0; rows of v are the axes."""
    angle = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
    t = (1.0 if angle >= 0.0 else -1.0) / (abs(angle) + np.sqrt(angle * angle + 1.0))
    c = 1.0 / np.sqrt(t * t + 1.0)
    s = t * c
    for k in range(len(a)):
        a[k, p], a[k, q] = c * a[k, p] - s * a[k, q], s * a[k, p] + c * a[k, q]
    for k in range(len(a)):
        a[p, k], a[q, k] = c * a[p, k] - s * a[q, k], s * a[p, k] + c * a[q, k]
        v[p, k], v[q, k] = c * v[p, k] - s * v[q, k], s * v[p, k] + c * v[q, k]


@njit(cache=True, nogil=True)
def _diagonalise(a: NDArray[np.float64], v: NDArray[np.float64]) -> None:
    small = 1e-15 * np.abs(a).max()
    for _ in range(_SWEEPS):
        rotated = False
        for p in range(len(a) - 1):
            for q in range(p + 1, len(a)):
                if abs(a[p, q]) > small:
                    _rotate(a, v, p, q)
                    rotated = True
        if not rotated:
            break


def principal_axes(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eigenvalues, float64 of shape (d,), largest first, and eigenvectors as rows, (d, d), of a symmetric matrix."""
    values, vectors = np.array(matrix, np.float64, order="C"), np.eye(len(matrix))
    _diagonalise(values, vectors)
    order = np.argsort(-np.diag(values), kind="stable")
    return np.diag(values)[order], vectors[order]


__all__ = ["principal_axes"]
