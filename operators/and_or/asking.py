"""Which object to ask a person about next, so that the part graph gains most.

The formulas are recalled from the paper, not checked against it; alpha and beta are ours, chosen on planted poses of other
seeds than those that tests measure.

References
----------
Q. Zhang, R. Cao, Y. N. Wu, S.-C. Zhu, Mining object parts from CNNs via active question-answering, CVPR 2017.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

#: Who chooses: the predicted gain, chance, the object that is explained worst, or the one least like those annotated.
STRATEGIES = ("gain", "random", "lowest score", "most different")
#: How fast what an answer teaches falls off with the distance between objects.
ALPHA = 1.0
#: Beta times the standard deviation of the scores: how much more is expected of what scores higher.
BETA = 0.5


def unlikeness(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 - cosine of all pairs of n objects' features (n, F): (n, n); 1 for one without any."""
    length = np.linalg.norm(features, axis=1)
    unit = features / np.where(length > 0, length, 1.0)[:, None]
    return np.asarray(1 - unit @ unit.T, np.float64)


def predicted_gain(
    score: NDArray[np.float64],
    template: NDArray[np.int64],
    annotated: NDArray[np.bool_],
    apart: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return by how much KL(P || Q) is predicted to fall if each of n objects is asked about.

    P is uniform, for the part is on all of them; Q of an object is exp(beta score) / Z, with Z its sum. An answer about an
    object raises its score to the mean of those annotated, and the score of others parsed by the same template by that times
    exp(-alpha apart). Z grows with them: what is much alike to most objects gains little, unless these lack the most.

    Parameters
    ----------
    score : float64 ndarray of shape (n,)
        Of each object's best template.
    template : int64 ndarray of shape (n,)
        That template.
    annotated : bool ndarray of shape (n,)
        Whether the part is known on it; at least one.
    apart : float64 ndarray of shape (n, n)
        From `unlikeness`.

    Returns
    -------
    float64 ndarray of shape (n,)
        -inf for those annotated.
    """
    spread = score.std()
    scaled = BETA * (score - score.max()) / (spread if spread > 0 else 1.0)
    lacking = scaled[annotated].mean() - scaled
    alike = np.exp(-ALPHA * apart) * (template[:, None] == template) * ~annotated
    raised = lacking[:, None] * alike
    growth = logsumexp(scaled + raised, axis=1) - logsumexp(scaled)
    return np.where(annotated, -np.inf, raised.mean(axis=1) - growth)


def next_questions(
    score: NDArray[np.float64],
    template: NDArray[np.int64],
    left: NDArray[np.bool_],
    apart: NDArray[np.float64],
    count: int,
) -> list[tuple[int, float]]:
    """Return the objects to ask about before an answer comes, most gain first, each with its predicted gain.

    Each next one is chosen as if those before it were answered as predicted: theirs is the mean score of those annotated, and
    objects like them are raised as in `predicted_gain`. Near twins are therefore not asked about together.

    Parameters
    ----------
    score, template, left, apart
        As for `next_question`.
    count : int
        Objects at most.
    """
    score, left, chosen = score.copy(), left.copy(), list[tuple[int, float]]()
    while left.any() and len(chosen) < count:
        gain = predicted_gain(score, template, ~left, apart)
        best = int(gain.argmax())
        chosen.append((best, float(gain[best])))
        lacking = score[~left].mean() - score[best]
        alike = np.exp(-ALPHA * apart[best]) * (template == template[best]) * left
        alike[best] = 1.0
        score += lacking * alike
        left[best] = False
    return chosen


def next_question(
    strategy: str,
    score: NDArray[np.float64],
    template: NDArray[np.int64],
    left: NDArray[np.bool_],
    apart: NDArray[np.float64],
    chance: NDArray[np.float64],
) -> int:
    """Return the object to ask about; ties go to the first.

    Parameters
    ----------
    strategy : str
        One of `STRATEGIES`.
    score, template, apart
        As for `predicted_gain`.
    left : bool ndarray of shape (n,)
        Those that were not asked about; at least one. The others are annotated, at least one too.
    chance : float64 ndarray of shape (n,)
        An order of all objects, by which `random` takes the first.

    Raises
    ------
    ValueError
        If there is no such strategy.
    """
    if strategy == "gain":
        wanted = predicted_gain(score, template, ~left, apart)
    elif strategy == "random":
        wanted = -chance
    elif strategy == "lowest score":
        wanted = -score
    elif strategy == "most different":
        wanted = apart[:, ~left].min(axis=1)
    else:
        raise ValueError(f"no strategy {strategy!r}; there are {', '.join(STRATEGIES)}")
    return int(np.where(left, wanted, -np.inf).argmax())


__all__ = ["ALPHA", "BETA", "STRATEGIES", "next_question", "next_questions", "predicted_gain", "unlikeness"]
