"""Slow twins of rules, written from the formulas one value at a time."""

import math


def truth(formula, values):
    """Return the truth of a formula, given as Python numbers: values of atoms by (kind, name)."""
    if formula.operator == "atom":
        return values[formula.atom.kind, formula.atom.name]
    parts = [truth(part, values) for part in formula.parts]
    if formula.operator == "not":
        return 1 - parts[0]
    if formula.operator == "mean":
        return sum(parts) / len(parts)
    one, other = parts
    if formula.operator == "and":
        return one + other - 1 if one + other > 1 else type(one)(0)
    if formula.operator == "or":
        return one + other if one + other < 1 else type(one)(1)
    return 1 - one + other if other < one else type(one)(1)


def posterior(p, penalties):
    """Return q of one image from the probabilities of its states and what each state loses."""
    weighed = [share * math.exp(-lost) for share, lost in zip(p, penalties, strict=True)]
    return [value / math.fsum(weighed) for value in weighed]
