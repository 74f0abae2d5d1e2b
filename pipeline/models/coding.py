"""What the codes of an encoder or decoder are, and what they are drawn from; a user's adapter states the latter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Normal:
    """A code from the standard normal distribution; a step of 1 is its standard deviation."""


@dataclass(frozen=True)
class Uniform:
    """A code from the uniform distribution from `low` to `high`; a step of 1 is half of that."""

    low: float = -1.0
    high: float = 1.0


@dataclass(frozen=True)
class Categorical:
    """As many codes as a choice has `values`, of which one is 1 and the others 0; no step is taken along them."""

    values: int


Latent = Normal | Uniform | Categorical


@dataclass(frozen=True)
class Coding:
    """What the codes of a network are, as recorded in the plan.

    Attributes
    ----------
    groups, dims : int
        Groups, and codes in each.
    encodes, decodes : bool
        Whether it has `codes`, and `decode`.
    latents : tuple of tuple of float
        Low and high end of each code that is uniform, nothing of one that is normal, the number of the choice of one that is
        categorical; empty where not stated.
    routes : bool
        Whether it has `route`, which tells how it makes its codes of votes.
    """

    groups: int
    dims: int
    encodes: bool
    decodes: bool
    latents: tuple[tuple[float, ...], ...] = ()
    routes: bool = False

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> "Coding":
        """Read it back from plain values."""
        return cls(**{**stated, "latents": tuple(tuple(ends) for ends in stated.get("latents", ()))})


__all__ = ["Categorical", "Coding", "Latent", "Normal", "Uniform"]
