"""What varies in the images, as their attributes state it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from filterscope.pipeline.datasets.attributes import CLASS, CLASS_NAME
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean

#: Attributes that codes are compared with at most.
MOST = 200
_TRUTH = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


@dataclass(frozen=True)
class Stated:
    """Attributes as numbers.

    Attributes
    ----------
    names : tuple of str
        Their names, M of them.
    values : float64 ndarray of shape (images, M)
        The number that an attribute states, or that of its value among all in alphabetical order; NaN where an image has
        none, or several.
    classes : bool ndarray of shape (M,)
        Attributes whose values are names of classes.
    """

    names: tuple[str, ...]
    values: np.ndarray
    classes: np.ndarray


def stated(dataset: Dataset, wanted: str | None) -> Stated:
    """Return the attributes that a data set states: all that vary, or those named, separated by commas.

    Raises
    ------
    InputError
        If one that is named is not there, or there are too many.
    """
    return _stated(dataset.folder, dataset.identity, wanted)


@lru_cache(maxsize=2)
def _stated(folder: Path, identity: str, wanted: str | None) -> Stated:
    dataset = Dataset(folder)
    table = dataset.table("attributes")
    known = sorted(pc.unique(table["attribute"]).to_pylist())
    names = _chosen(known, wanted, folder)
    images = dataset.rows("images")
    kept, columns, classes = [], [], []
    for name in names:
        rows = table.filter(pc.equal(table["attribute"], name))
        values, named = _numbers(name, rows["value"].to_pylist())
        column = np.full(images, np.nan)
        image = rows["image"].to_numpy()
        column[image] = values
        low, high = np.full(images, np.inf), np.full(images, -np.inf)
        np.minimum.at(low, image, values)
        np.maximum.at(high, image, values)
        column[low < high] = np.nan  # several values
        levels = len(np.unique(column[~np.isnan(column)]))
        if levels > 1 and not (named and levels > max(images // 2, 2)):
            kept.append(name)
            columns.append(column)
            classes.append(named and levels > 2)
    if len(kept) > MOST:
        raise InputError(
            f"the data set {folder} has {len(kept):,} attributes; choose at most {MOST} with --codes.attributes"
        )
    return Stated(tuple(kept), np.stack(columns, 1) if columns else np.zeros((images, 0)), np.array(classes, bool))


def _chosen(known: list[str], wanted: str | None, folder: Path) -> list[str]:
    if wanted is None:
        return [name for name in known if name != CLASS_NAME or CLASS not in known]
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or (f" It has: {', '.join(known[:50])}." if known else " It has none.")
            raise InputError(f"--codes.attributes: the data set {folder} has no attribute {name!r}.{hint}")
    return list(dict.fromkeys(names))


def _numbers(name: str, texts: list[str]) -> tuple[np.ndarray, bool]:
    """Return values as numbers, and whether these are names of classes."""
    if name not in (CLASS, CLASS_NAME):
        try:
            values = np.array([_TRUTH[text.casefold()] if text.casefold() in _TRUTH else float(text) for text in texts])
        except ValueError:
            values = np.array([np.nan])
        if np.isfinite(values).all():
            return values, False
    return np.unique(texts, return_inverse=True)[1].astype(np.float64), True


__all__ = ["MOST", "Stated", "stated"]
