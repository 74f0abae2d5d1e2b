"""The true classes of views, as an attribute of the data set states them by index or by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.outputs.options import OutputsOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.tables import table_path, write_table
from filterscope.pipeline.views.decode import view_files
from filterscope.schemas.results import TABLES

#: No true class is known.
UNKNOWN = -1


@dataclass(frozen=True)
class Truth:
    """True classes of a block of views.

    Attributes
    ----------
    classes : int64 ndarray of shape (views,)
        Index of the true class of each view; -1 where none is known.
    bad : tuple of (int, str)
        Images whose attribute is no class, and why; an image counts in the block in which its views begin.
    """

    classes: np.ndarray
    bad: tuple[tuple[int, str], ...]


def parameters(plan: Plan, model: PlannedModel) -> dict[str, str]:
    """Return what true classes depend on beside the data set: the attribute, and the user's own names of classes."""
    stated = {"truth": plan.of(OutputsOptions).truth}
    return stated if model.classes_sha256 is None else {**stated, "classes": model.classes_sha256}


def true_classes(plan: Plan, names: Sequence[str], start: int, stop: int) -> Truth:
    """Return the true classes of views [start, stop) of a run, for a network whose classes have these names."""
    stated = _stated(plan.data, plan.data_identity, plan.of(OutputsOptions).truth)
    images, indexes = plan.views.image, indexes_of(names)
    classes, bad = np.full(stop - start, UNKNOWN), []
    for image in np.unique(images[start:stop]).tolist():
        found = class_of(stated.values_of(image), indexes, len(names))
        if isinstance(found, int):
            classes[images[start:stop] == image] = found
        elif np.searchsorted(images, image) >= start:
            bad.append((image, f"its attribute {plan.of(OutputsOptions).truth} {found}"))
    return Truth(classes, tuple(bad))


def stated_labels(plan: Plan, attribute: str | None = None) -> tuple[list[str], np.ndarray]:
    """Return what an attribute says of images, whatever classes a network has; by default that of true classes.

    Returns
    -------
    names : list of str
        Its values, sorted, but for those that no image has alone.
    label : int64 ndarray of shape (images,)
        Index of each image's value; -1 where it has none, or several.
    """
    stated = _stated(plan.data, plan.data_identity, attribute or plan.of(OutputsOptions).truth)
    image, first, count = np.unique(stated.image, return_index=True, return_counts=True)
    alone = count == 1
    names, index = np.unique(np.array(stated.value.take(pa.array(first[alone])).to_pylist(), str), return_inverse=True)
    label = np.full(Dataset(plan.data).rows("images"), UNKNOWN)
    label[image[alone]] = index
    return names.tolist(), label


def indexes_of(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the indices of the classes of each name."""
    indexes: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        indexes.setdefault(name, []).append(index)
    return indexes


def class_of(values: Sequence[str], indexes: dict[str, list[int]], count: int) -> int | str:
    """Return the class that an image is said to be of, or why it is none of the network's."""
    if not values:
        return UNKNOWN
    if len(values) > 1:
        return f"has {len(values)} values: {', '.join(map(repr, values))}"
    (value,) = values
    named = indexes.get(value, [])
    if len(named) == 1:
        return named[0]
    if named:
        return f"is {value!r}, the name of classes {' and '.join(map(str, named))}: state the index"
    if value.isascii() and value.isdecimal() and int(value) < count:
        return int(value)
    return f"is {value!r}, which is neither the name of a class nor an index from 0 to {count - 1}"


@dataclass(frozen=True)
class _Stated:
    """Values of one attribute, in order of images: `image` int32 of shape (n,), `value` an Arrow array of n texts."""

    image: np.ndarray
    value: pa.Array

    def values_of(self, image: int) -> list[str]:
        """Return the different values of an image, sorted."""
        first, last = np.searchsorted(self.image, [image, image + 1]).tolist()
        return self.value[first:last].to_pylist()


@lru_cache(maxsize=4)
def _stated(folder: Path, identity: str, attribute: str) -> _Stated:
    """Read one attribute of a data set, once in a process; `identity` keeps apart what a folder held at times."""
    table = Dataset(folder).table("attributes")
    table = table.filter(pc.equal(table["attribute"], attribute)).group_by(["image", "value"]).aggregate([])
    table = table.sort_by([("image", "ascending"), ("value", "ascending")])
    return _Stated(table["image"].to_numpy(), table["value"].combine_chunks())


def write_bad(plan: Plan, model: str, block: str, stage: str, bad: Sequence[tuple[int, str]]) -> None:
    """Write the images of a block whose attribute is no class of a network into `rejects`, in the place of any before."""
    place = (model, f"{stage}-{block}")
    if not bad:
        table_path(plan.run, "rejects", place).unlink(missing_ok=True)
        return
    files = view_files(Dataset(plan.data), np.array([image for image, _ in bad]))
    rows = [
        {"stage": stage, "item": uri, "reason": f"{reason} (classes of {model})"}
        for uri, (_, reason) in zip(files, bad, strict=True)
    ]
    write_table(plan.run, "rejects", place, [pa.Table.from_pylist(rows, schema=TABLES["rejects"])])


__all__ = ["UNKNOWN", "Truth", "class_of", "indexes_of", "parameters", "stated_labels", "true_classes", "write_bad"]
