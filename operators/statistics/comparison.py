"""What two sets of detected concepts have in common beyond chance, and how many concepts layers of unequal width detect."""

from collections.abc import Sequence
from math import comb
from typing import NamedTuple


class Overlap(NamedTuple):
    """Concepts that two layers share, beside what two blind choices would share.

    Attributes
    ----------
    expected : float
        Shared concepts of two sets of these sizes drawn at random, on average.
    p_more : float
        Probability that such sets share as many or more.
    """

    expected: float
    p_more: float


def overlap(eligible: int, one: int, other: int, shared: int) -> Overlap:
    """Judge how many concepts two layers share.

    Parameters
    ----------
    eligible : int
        Concepts that either could detect.
    one, other : int
        Concepts that each detects, among them.
    shared : int
        Concepts that both detect.

    Returns
    -------
    Overlap
        By the hypergeometric distribution (Fisher's exact test, one-sided), in exact integers.

    Raises
    ------
    ValueError
        If the counts contradict each other.
    """
    if not (0 <= shared <= min(one, other) <= max(one, other) <= eligible) or one + other - shared > eligible:
        raise ValueError(f"{shared} shared of {one} and {other} out of {eligible} concepts cannot be")
    if not eligible:
        return Overlap(0.0, 1.0)
    ways = sum(comb(one, k) * comb(eligible - one, other - k) for k in range(shared, min(one, other) + 1))
    return Overlap(one * other / eligible, ways / comb(eligible, other))


def rarefied(units: int, labelled: Sequence[int], drawn: int) -> float:
    """Return how many distinct concepts `drawn` units of a layer have on average, drawn without replacement.

    Layers of unequal width are compared at the number of units of the narrowest (Hurlbert 1971, equation 14).

    Parameters
    ----------
    units : int
        Units of the layer.
    labelled : sequence of int
        Units of each concept; units without a concept are in none.
    drawn : int
        At most `units`.

    Raises
    ------
    ValueError
        If more units are drawn, or labelled, than there are.
    """
    if not 0 <= drawn <= units or sum(labelled) > units:
        raise ValueError(f"{drawn} drawn and {sum(labelled)} labelled of {units} units cannot be")
    every = comb(units, drawn)
    missed = sum(comb(units - count, drawn) for count in labelled)
    return (len(labelled) * every - missed) / every


__all__ = ["Overlap", "overlap", "rarefied"]
