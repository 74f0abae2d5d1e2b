"""Principal axes are the eigenvectors that LAPACK finds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.numerics.principal_axes import principal_axes


@given(st.integers(0, 2**32 - 1), st.integers(1, 34), st.integers(1, 40))
def test_principal_axes_are_those_of_lapack(seed, dimensions, count):
    data = np.random.default_rng(seed).normal(size=(count, dimensions))
    matrix = data.T @ data
    values, axes = principal_axes(matrix)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1], atol=1e-9)
    np.testing.assert_allclose(axes @ axes.T, np.eye(dimensions), atol=1e-12)
    np.testing.assert_allclose(axes.T @ np.diag(values) @ axes, matrix, atol=1e-9)
