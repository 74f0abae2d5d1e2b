"""Random forests that say how much each code matters to a factor.

References
----------
Breiman 2001, Random Forests, Machine Learning 45:5-32; importance is the decrease of squared error, of a class's indicators the
decrease of Gini impurity.
"""

import numpy as np
from numpy.typing import NDArray

#: As in the DCI scores.
TREES, DEPTH = 10, 10
#: Codes that a split may choose among, unless a third of all are more.
_AMONG = 64


def forest(
    codes: NDArray[np.floating], target: NDArray[np.floating], held_out: NDArray[np.floating], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit `TREES` trees of depth `DEPTH`.

    Parameters
    ----------
    codes : ndarray of shape (n, K)
        What is fitted on.
    target : ndarray of shape (n, o)
        A factor, or an indicator of each of its classes.
    held_out : ndarray of shape (m, K)
        Codes of other images.
    seed : int
        Of bootstrap samples, and of the codes that splits may choose among: all up to 64, else a third or 64.

    Returns
    -------
    importance : float64 ndarray of shape (K,)
        Shares of the decrease of squared error, mean over trees; zeros where no tree splits.
    predicted : float64 ndarray of shape (m, o)
        Mean over trees.
    """
    from sklearn.ensemble import RandomForestRegressor

    width = codes.shape[1]
    among = min(width, max(_AMONG, width // 3))
    trees = RandomForestRegressor(TREES, max_depth=DEPTH, max_features=among, random_state=seed % 2**32, n_jobs=1)
    trees.fit(codes, target[:, 0] if target.shape[1] == 1 else target)
    return np.asarray(trees.feature_importances_), trees.predict(held_out).reshape(len(held_out), -1)


__all__ = ["DEPTH", "TREES", "forest"]
