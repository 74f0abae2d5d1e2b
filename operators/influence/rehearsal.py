"""Rehearsal of the search for label errors: labels of some training views are made wrong, and looked for."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.influence.head import Data, Head, train


def flipped(y: NDArray[np.int64], unit: NDArray[np.int64], classes: int, share: float, seed: int) -> NDArray[np.int64]:
    """Return labels of which a share is wrong.

    Parameters
    ----------
    y : int64 ndarray of shape (n,)
        True classes, 0 to K - 1.
    unit : int64 ndarray of shape (n,)
        What a label belongs to, such as an image: all its views are flipped to one class.
    classes : int
        K.
    share : float
        Of the units, at least one unless it is 0.
    seed : int
        Of the draw.

    Returns
    -------
    int64 ndarray of shape (n,)
    """
    rng, units = np.random.default_rng(seed), np.unique(unit)
    count = 0 if share == 0 else max(round(share * len(units)), 1)
    wrong = y.copy()
    for chosen in rng.permutation(len(units))[:count]:
        here = unit == units[chosen]
        wrong[here] = (y[here] + rng.integers(1, classes)) % classes
    return wrong


def checked(
    start: Head, data: Data, true: NDArray[np.int64], orders: Mapping[str, NDArray[np.int64]], shares: Sequence[float],
    test: Data,
) -> list[dict[str, object]]:  # fmt: skip
    """Check the labels of training views in some orders, right the wrong ones, and train again.

    Parameters
    ----------
    start : Head
        Trained on the wrong labels.
    data : Data
        The n training views with them.
    true : int64 ndarray of shape (n,)
        What the labels are without errors.
    orders : mapping of str to int64 ndarray of shape (n,)
        All training views, those to be checked first in front.
    shares : sequence of float
        Shares of the views that are checked.
    test : Data
        Views that accuracy is measured on.

    Returns
    -------
    list of dict
        For each order and share: `order`, share `checked`, share of all errors `found`, `accuracy` after.
    """
    wrong, rows = data.y != true, []
    heads: dict[bytes, float] = {}
    for name, order in orders.items():
        for share in shares:
            seen = order[: round(share * len(order))]
            y = data.y.copy()
            y[seen] = true[seen]
            if y.tobytes() not in heads:
                head = train(data.labelled(y), start.l2, start=start.v)
                heads[y.tobytes()] = float((head.predicted(test) == test.y).mean())
            found = float(wrong[seen].sum() / wrong.sum()) if wrong.any() else np.nan
            rows.append({"order": name, "checked": share, "found": found, "accuracy": heads[y.tobytes()]})
    return rows


__all__ = ["checked", "flipped"]
