"""Views of which a known part is confidently wrong."""

import numpy as np


def unknown_unknowns(seed, *, kinds=5, size=200, bad=0.4, others=0.02):
    """Return kinds of views, which are wrong, and their confidence: 40 % of kind 0 are wrong, 2 % of the others.

    Returns
    -------
    kind : int64 ndarray of shape (kinds * size,)
    wrong : int8 ndarray of the same shape
    confidence : float64 ndarray of the same shape
    """
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat(np.arange(kinds), size))
    wrong = np.zeros(len(kind), np.int8)
    for number in range(kinds):
        members = np.flatnonzero(kind == number)
        wrong[rng.choice(members, round((bad if number == 0 else others) * size), replace=False)] = 1
    return kind, wrong, rng.uniform(0.65, 1, len(kind))


def conjunction(seed, views=600, features=8):
    """Return features of views: a third meet 0 and 1 and hardly any other; the rest have one of these or neither, and others.

    Returns
    -------
    items : bool ndarray of shape (views, features)
    planted : bool ndarray of shape (views,)
    """
    rng = np.random.default_rng(seed)
    planted = np.arange(views) < views // 3
    items = rng.random((views, features)) < np.where(planted[:, None], 0.05, 0.5)
    items[planted, :2] = True
    one = rng.integers(0, 3, views)  # the first, the second or neither
    items[~planted, 0], items[~planted, 1] = (one == 0)[~planted], (one == 1)[~planted]
    order = rng.permutation(views)
    return items[order], planted[order]
