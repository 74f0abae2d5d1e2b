"""What an audit checks of a data set before it works on it: that it is the one that was imported, and that its numbers hold.

Kernels index arrays by the numbers of images, concepts and objects that tables state, without asking again. All columns but
masks are checked here, at once; run lengths are checked where a mask is drawn.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filterscope.pipeline.datasets.layout import Dataset, files_of
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.stores.packs import FOLDER, Pack
from filterscope.pipeline.stores.places import listing, signature

#: Pixels of an image: those that are decoded have at most about 179 million.
_MOST_PIXELS = 1 << 28

#: Columns that may not be null, of the tables that kernels follow.
_STATED = {
    "images": ("image", "uri", "height", "width", "sha256"),
    "concepts": ("concept", "name", "category", "level"),
    "segments": ("image", "concept"),
    "objects": ("image", "object", "category", "box"),
    "landmarks": ("image", "landmark", "x", "y"),
    "attributes": ("image", "attribute", "value"),
    "ignored": ("image",),
}

#: Files of the data sets that this process checked, with size and time of each.
_checked: dict[Path, dict[Path, list[int]]] = {}

#: Of a table, what is wrong with which rows of a column: column, bool of shape (rows,), and why.
_Findings = Iterator[tuple[str, np.ndarray, str]]


def check_dataset(dataset: Dataset, identity: str | None = None) -> None:
    """Stop unless a data set is what was imported and all its numbers are in range.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    identity : str, optional
        The identity that a run was planned on; by default any.

    Raises
    ------
    InputError
        With the table, and the first row and value that is wrong.
    """
    files = {path: signature(path) for path in files_of(dataset.folder)}
    if identity is not None and dataset.identity != identity:
        raise InputError(
            f"{dataset.folder} holds another data set (identity {dataset.identity[:8]}) than the one that was audited "
            f"({identity[:8]}); put that one back, or audit this one into another --out"
        )
    if dataset.pack is not None:  # the index is read, and is the one that was written
        _shards_there(dataset, dataset.pack)
    if files == _checked.get(dataset.folder):
        return
    if changed := dataset.changed:
        told = ("one or more of " if len(changed) > 1 else "") + ", ".join(map(str, changed))
        raise InputError(
            f"the data set {dataset.folder} was changed after it was imported: {told}; put back what was there, or "
            "import again into another folder and audit that into another --out"
        )
    refuse_invalid(dataset)
    _checked[dataset.folder] = files


def _shards_there(dataset: Dataset, pack: Pack) -> None:
    there = listing(dataset.folder / FOLDER)
    gone = [shard for shard in pack.shards if shard.name not in there]
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise InputError(
            f"the shard {gone[0]}{more} of the data set is gone; copy it again, or pack the data set again"
        )


def refuse_invalid(dataset: Dataset) -> None:
    """Stop if a number of a data set is out of range, missing, or there twice.

    Raises
    ------
    InputError
        With the table, and the first row and value that is wrong.
    """
    counts = {"image": dataset.rows("images"), "concept": dataset.rows("concepts")}
    objects = dataset.table("objects", ["image", "object", "category", "box"])
    for name, stated in _STATED.items():
        columns = [*stated, *_MORE.get(name, ())]
        table = objects if name == "objects" else dataset.table(name, columns)
        for column in stated:
            _refuse(dataset, name, table, column, _null(table, column), "must be stated")
        for column, wrong, why in _problems(name, table, counts, objects):
            _refuse(dataset, name, table, column, wrong, why)


#: Columns that may be null and are looked at.
_MORE = {"images": ("orientation",), "landmarks": ("object", "width", "height"), "ignored": ("concept", "category")}


def _problems(name: str, table: pa.Table, counts: Mapping[str, int], objects: pa.Table) -> _Findings:
    if name == "images":
        yield from _images(table)
    elif name == "concepts":
        yield (
            "concept",
            _ints(table, "concept") != np.arange(1, len(table) + 1),
            "concepts are numbered from 1, in order",
        )
        yield "name", _repeated(table, "name"), "is the name of two concepts"
    else:
        last = counts["image"] - 1
        yield "image", _outside(table, "image", 0, last), f"images are numbered 0 to {last}"
    if name in ("segments", "ignored"):
        last = counts["concept"]
        yield "concept", _outside(table, "concept", 1, last), f"concepts are numbered 1 to {last}"
    if name == "ignored":
        both = _null(table, "concept") == _null(table, "category")
        yield "concept", both, "either a concept or a category is ignored"
    if name == "objects":
        yield "object", _outside(table, "object", 0, 2**31 - 1), "numbers of objects begin at 0"
        yield "object", _repeated(table, "object"), "is the number of two objects"
        corners = np.asarray(pc.list_flatten(table["box"]).fill_null(np.nan)).reshape(-1, 4)
        yield "box", ~np.isfinite(corners).all(axis=1), "the four numbers of a box are finite"
    if name == "landmarks":
        known = pc.or_kleene(pc.is_null(table["object"]), pc.is_in(table["object"], value_set=objects["object"]))
        yield "object", ~np.asarray(known), "there is no such object"
        for column in ("x", "y"):
            yield column, ~np.isfinite(np.asarray(table[column])), "places are finite"
        for column in ("width", "height"):
            side = np.asarray(table[column].fill_null(0))
            yield column, ~(np.isfinite(side) & (side >= 0)), "sides of a box are finite and not negative"


def _images(table: pa.Table) -> _Findings:
    yield "image", _ints(table, "image") != np.arange(len(table)), "images are numbered from 0, in order"
    sides = {name: _ints(table, name) for name in ("height", "width")}
    for name, side in sides.items():
        yield name, side < 1, "an image has at least one pixel"
    too_many = f"with the other side that is more than {_MOST_PIXELS} pixels"
    yield "height", sides["height"] * sides["width"] > _MOST_PIXELS, too_many
    digest = pc.fill_null(pc.match_substring_regex(table["sha256"], "^[0-9a-f]{64}$"), False)
    yield "sha256", ~np.asarray(digest), "is no SHA-256"
    yield "orientation", _outside(table, "orientation", 1, 8), "EXIF orientations are 1 to 8"


def _ints(table: pa.Table, column: str) -> np.ndarray:
    return np.asarray(table[column].fill_null(0)).astype(np.int64)


def _null(table: pa.Table, column: str) -> np.ndarray:
    return np.asarray(table[column].is_null())


def _outside(table: pa.Table, column: str, first: int, last: int) -> np.ndarray:
    number = _ints(table, column)
    return ((number < first) | (number > last)) & ~_null(table, column)


def _repeated(table: pa.Table, column: str) -> np.ndarray:
    """Tell which rows repeat an earlier one: bool of shape (rows,)."""
    values = np.asarray(table[column].combine_chunks().dictionary_encode().indices)
    first = np.zeros(len(values), bool)
    first[np.unique(values, return_index=True)[1]] = True
    return ~first


def _refuse(dataset: Dataset, name: str, table: pa.Table, column: str, wrong: np.ndarray, why: str) -> None:
    if not wrong.any():
        return
    row = int(wrong.argmax())
    value: Any = table[column][row].as_py()
    raise InputError(
        f"{dataset.folder / name}.parquet, row {row}: {column} is {value!r}: {why} ({int(wrong.sum())} such rows). The table "
        "is damaged or was made by another program; import the data set again"
    )


__all__ = ["check_dataset", "refuse_invalid"]
