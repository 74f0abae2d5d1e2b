"""The class of a view that is asked about: the predicted one, the true one, one by its index, or the best of some."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, StrictStr

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.selection import canonical

if TYPE_CHECKING:
    import numpy as np

    from filterscope.pipeline.methods.outputs.truth import Truth
    from filterscope.pipeline.models.network import Network
    from filterscope.pipeline.run.plan import Plan

PREDICTED, TRUE = "predicted", "true"
#: What help says of them.
TARGETS = "predicted, of highest score; true; an index; or indices, 7-24,80-100: that of highest score among these"


def as_text(value: object) -> object:
    """Accept a whole number, as TOML has it."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _target(value: str) -> str:
    if value in (PREDICTED, TRUE):
        return value
    try:
        return canonical(value)
    except ValueError:
        raise ValueError(
            "predicted, true or the index of a class, such as 207, or of several, such as 7-24,80-100"
        ) from None


#: An option that says which class is asked about; equal selections are the same text.
Target = Annotated[StrictStr, BeforeValidator(as_text), AfterValidator(_target)]


def ranges_of(target: str) -> list[tuple[int, int]]:
    """Return first and last of the ranges of classes that are named, none where it is the predicted or the true one."""
    if target in (PREDICTED, TRUE):
        return []
    found = []
    for part in target.split(","):
        first, _, last = part.partition("-")
        found.append((int(first), int(last or first)))
    return found


def candidates(target: str, count: int) -> "np.ndarray":
    """Return the classes among which that of highest score is asked, of `count`: those named, or all; int64, ascending."""
    import numpy as np

    ranges = ranges_of(target) or [(0, count - 1)]
    return np.concatenate([np.arange(first, last + 1) for first, last in ranges])


def best_among(scores: "np.ndarray", target: str) -> "np.ndarray":
    """Return the class of highest score among those that are named, or all; of equal ones the lower index.

    Parameters
    ----------
    scores : float32 ndarray of shape (n, classes)
        Class scores.
    target : str
        A `Target` that is not `TRUE`; its classes are in the network.

    Returns
    -------
    int64 ndarray of shape (n,)
    """
    among = candidates(target, scores.shape[1])
    return among[scores[:, among].argmax(axis=1)]


def asked_classes(plan: "Plan", network: "Network", scores: "np.ndarray", target: str, start: int) -> "Truth":
    """Return the class of each view of a block that is asked about; -1 where the true one is asked and not known.

    Parameters
    ----------
    plan : Plan
        The run.
    network : Network
        The network, which knows the names of its classes.
    scores : float32 ndarray of shape (views, classes)
        Class scores of the block.
    target : str
        A `Target`.
    start : int
        First view of the block.
    """
    from filterscope.pipeline.methods.outputs.truth import Truth, true_classes

    if target != TRUE:
        return Truth(best_among(scores, target), ())
    return true_classes(plan, network.class_names(scores.shape[1]), start, start + len(scores))


def refuse_absent(flag: str, target: str, count: int, model: str) -> None:
    """Stop where a class is named that a network of `count` classes does not score.

    Raises
    ------
    InputError
        With the flag, such as ``--attribution.target``.
    """
    if any(last >= count for _, last in ranges_of(target)):
        raise InputError(f"{flag} {target}: {model} scores {count} classes, 0 to {count - 1}")


__all__ = [
    "PREDICTED",
    "TARGETS",
    "TRUE",
    "Target",
    "as_text",
    "asked_classes",
    "best_among",
    "candidates",
    "ranges_of",
    "refuse_absent",
]
