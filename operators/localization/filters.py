"""The best single filter: where it fires most, moved by its mean displacement from the part; the baseline of one unit."""

import numpy as np
from numpy.typing import NDArray


def best_filter(peaks: NDArray[np.float64], centre: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
    """Choose the filter whose maxima keep the steadiest displacement to the part on the annotated views.

    Parameters
    ----------
    peaks : float64 ndarray of shape (S, U, 2)
        y and x of the maximum of every filter on S annotated views; NaN where it has none.
    centre : float64 ndarray of shape (S, 2)
        The part.

    Returns
    -------
    (int, float64 ndarray of shape (2,))
        The filter of smallest sum of squared distances, the first of equal ones, and what leads from its maximum to the part.

    Raises
    ------
    ValueError
        If no filter has a maximum on every annotated view.
    """
    apart = centre[:, None] - peaks
    displacement = apart.mean(axis=0)
    error = ((apart - displacement) ** 2).sum(axis=(0, 2))
    if np.isnan(error).all():
        raise ValueError("no filter has a maximum on every annotated view")
    chosen = int(np.nanargmin(error))
    return chosen, displacement[chosen]


__all__ = ["best_filter"]
