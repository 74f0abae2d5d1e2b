"""A simulated person, who knows where the part is and answers what is asked about it, or marks it unasked."""

import math

import numpy as np
from numpy.typing import NDArray

from filterscope.operators.and_or.inquiry import Answer, Inquiry, Said
from filterscope.operators.localization.measures import DETECTED, normalised_distance, overlap

#: Farthest from a template's part, in diagonals, that a part is of that template, and that a point is right.
SAME, POINT = 0.15, 0.05


def answered(inquiry: Inquiry, view: int, part: NDArray[np.float64], size: NDArray[np.float64]) -> Answer:
    """Answer a question as one who knows where the part is on every object.

    The part is of the template that expects it nearest, or of a new one where none expects it within .15 diagonals. Found with
    the right template, it is right if its box, as large as those annotated for the template are on average, has an
    intersection over union of at least .5; of points, if it is within .05 diagonals.

    Parameters
    ----------
    inquiry : Inquiry
        The state of the part graph.
    view : int
        The object.
    part, size : float64 ndarrays of shape (n, 2)
        y and x, height and width of the part on every object; sizes are NaN of points.
    """
    place = (float(part[view, 0]), float(part[view, 1]))
    templates = inquiry.templates
    apart = [float(normalised_distance(template.part, part[view], inquiry.extent)) for template in templates]
    if min(apart, default=math.inf) > SAME:
        return Answer(view, "new", len(templates), place)
    own = int(np.argmin(apart))
    centre, _, chosen = inquiry.parsed(np.array([view]))
    if chosen[0] != own:
        return Answer(view, "other", own, place)
    usual = size[[answer.view for answer in inquiry.branches[own]]].mean(axis=0)
    if np.isnan(usual).any() or np.isnan(size[view]).any():
        right = normalised_distance(centre[0], part[view], inquiry.extent) <= POINT
    else:
        right = overlap(centre[0], usual, part[view], size[view]) >= DETECTED
    return (
        Answer(view, "right", own, (float(centre[0, 0]), float(centre[0, 1])))
        if right
        else Answer(view, "place", own, place)
    )


def marked(order: NDArray[np.int64], part: NDArray[np.float64], extent: tuple[int, int]) -> list[Answer]:
    """Mark the part on some views, one after the other, as one who knows where it is and looks at no parse.

    Parameters
    ----------
    order : int64 ndarray of shape (k,)
        Views, in the order in which they are marked.
    part : float64 ndarray of shape (n, 2)
        y and x of the part on every view.
    extent : (int, int)
        Height and width of the input.

    Returns
    -------
    list of Answer
        A place in the template whose views have the part nearest on average, or a new one where none has it within .15
        diagonals.
    """
    branches, answers = list[list[int]](), list[Answer]()
    for view in order.tolist():
        apart = [float(normalised_distance(part[own].mean(axis=0), part[view], extent)) for own in branches]
        own = int(np.argmin(apart)) if min(apart, default=math.inf) <= SAME else len(branches)
        said: Said = "place" if own < len(branches) else "new"
        if said == "new":
            branches.append([])
        branches[own].append(view)
        answers.append(Answer(view, said, own, (float(part[view, 0]), float(part[view, 1]))))
    return answers


__all__ = ["POINT", "SAME", "answered", "marked"]
