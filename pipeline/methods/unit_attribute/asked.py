"""The attributes that units are compared with, and of how many images they must be known."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from filterscope.pipeline.datasets.attributes import attribute_values
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.unit_attribute.options import UnitAttributeOptions

#: Attributes that a run compares with at most: the null of all of them is kept for every unit.
MOST = 1000


@dataclass(frozen=True)
class Asked:
    """Binary attributes of a data set.

    Attributes
    ----------
    names : tuple of str
        Their names, A of them.
    values : int8 ndarray of shape (images, A)
        1 where an image has an attribute, 0 where it has not, -1 where that is not known.
    """

    names: tuple[str, ...]
    values: np.ndarray


def asked(dataset: Dataset, options: UnitAttributeOptions, limits: DissectionOptions) -> Asked:
    """Return the attributes of a data set that options ask for; of an attribute of several values the common ones.

    Raises
    ------
    InputError
        If there is none, one that is named is not there, or there are too many.
    """
    return _asked(dataset.folder, dataset.identity, options.attributes, limits.min_images)


@lru_cache(maxsize=2)
def _asked(folder: Path, identity: str, wanted: str | None, fewest: int) -> Asked:
    names, values = attribute_values(Dataset(folder), classes=True, fewest=fewest)
    if not names:
        raise InputError(
            f"the data set {folder} states no attributes of images that could be compared with units; import some with "
            "`filterscope import attributes`, or drop unit-attribute from --methods"
        )
    if wanted is not None:
        stated = [text.strip() for text in wanted.split(",")]
        for name in stated:
            if not any(_named(known, name) for known in names):
                hint = did_you_mean(name, names) or f" It has: {', '.join(names[:50])}."
                raise InputError(
                    f"--unit-attribute.attributes: the data set {folder} has no attribute {name!r} that {fewest} images "
                    f"or more have.{hint}"
                )
        kept = [any(_named(known, name) for name in stated) for known in names]
        names, values = [name for name, keep in zip(names, kept, strict=True) if keep], values[:, kept]
    if len(names) > MOST:
        raise InputError(
            f"the data set {folder} has {len(names):,} attributes, each value of one of several counted; choose at most "
            f"{MOST:,} with --unit-attribute.attributes"
        )
    return Asked(tuple(names), values)


def _named(known: str, name: str) -> bool:
    """Tell whether a name is that of a binary attribute, or of the attribute that it is a value of."""
    return known == name or known.startswith(f"{name}=")


def counts(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return how many images and groups have and lack each attribute, int64 of shape (2, 2, A).

    Images first, then groups; in each, those that have it not, then those that have it.

    Parameters
    ----------
    values : int8 ndarray of shape (n, A)
        As of `Asked`, of n images.
    group : int64 ndarray of shape (n,)
        Their groups.
    """
    found = np.zeros((2, 2, values.shape[1]), np.int64)
    for kind in (0, 1):
        for attribute, here in enumerate((values == kind).T):
            found[:, kind, attribute] = here.sum(), len(np.unique(group[here]))
    return found


def eligible(found: np.ndarray, limits: DissectionOptions, grouped: bool) -> np.ndarray:
    """Return which attributes enough images, and groups where the data set states any, have and lack: bool of shape (A,)."""
    enough: np.ndarray = found[0].min(axis=0) >= limits.min_images
    return enough & (found[1].min(axis=0) >= limits.min_groups) if grouped else enough


__all__ = ["MOST", "Asked", "asked", "counts", "eligible"]
