"""Training attacks: where to move features of training views so that a test view's loss rises in a head trained on them.

References
----------
Koh & Liang 2017, Understanding Black-box Predictions via Influence Functions, section 5.2.
"""

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.influence.head import Data, Head, probabilities, train

Floats = NDArray[np.float64]


def slopes(head: Head, solved: Floats, data: Data) -> Floats:
    """Return how the influence of training views on a test view changes with their features.

    Parameters
    ----------
    head : Head
        The head.
    solved : float64 ndarray of shape (K - 1, D + 1)
        Product of the inverse Hessian with the gradient of the test view's loss [s].
    data : Data
        n training views as they are now.

    Returns
    -------
    float64 ndarray of shape (n, D)
        Gradient with respect to the features of -s . grad L(z): along it the test view's loss rises once the head is trained
        on what z becomes. Koh and Liang's `I_pert,loss`, in features.
    """
    p = probabilities(head.scores(data))
    along = data.x @ solved.T @ data.basis.T  # (n, K): by how much s moves the scores
    share = p * (along - (p * along).sum(axis=1, keepdims=True))
    found = head.residuals(data) @ solved + share @ data.basis @ head.v
    return np.asarray(-found[:, :-1])


def trained_on(head: Head, data: Data, rows: NDArray[np.int64], features: Floats) -> Head:
    """Train a head again with other features, of shape (m, D), of some training views."""
    x = data.x.copy()
    x[rows, :-1] = features
    return train(Data(x, data.y, data.classes), head.l2, start=head.v)


__all__ = ["slopes", "trained_on"]
