"""Maps of a frozen layer for all views of a lesson, computed once in a run and shared by its trainings."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.stores.places import write_atomically
from filterscope.pipeline.training.images import Images

#: Images of a pass, and rows of a product.
_BATCH, _ROWS = 32, 256
#: Directions of less variance than this share of the first are noise.
_FLAT = 1e-12

#: Returns the maps, float32 of shape (n, C, h, w), of images, uint8 of shape (n, height, width, 3).
Layer = Callable[[np.ndarray], np.ndarray]


class Divided(Protocol):
    """Views that train and views held out, as a `Lesson` has them."""

    @property
    def train(self) -> np.ndarray:
        """Views that train, ascending."""

    @property
    def heldout(self) -> np.ndarray:
        """Views held out, ascending."""


@dataclass(frozen=True)
class Features:
    """Maps of the views of a lesson.

    Attributes
    ----------
    train : ndarray of shape (2 or 1, n, C, h, w)
        Of the training views and, where they are asked for, of their mirror images.
    heldout : ndarray of shape (m, C, h, w)
        Of the views held out.
    path : Path
        Where they are kept; says what they are of.
    known : pair of bool ndarray
        Which training views and which of those held out could be decoded.
    rejects : dict of str to str
        Images that could not, and why.
    """

    train: np.ndarray
    heldout: np.ndarray
    path: Path
    known: tuple[np.ndarray, np.ndarray]
    rejects: dict[str, str]


def features_of(
    folder: Path, stated: Any, images: Images, lesson: Divided, layer: Layer, *, mirrored: bool = True
) -> Features:
    """Return the features of a lesson, computed if they are not there.

    Parameters
    ----------
    folder : Path
        Where they are kept, float16.
    stated : object
        All that they depend on, as for JSON.
    images : Images
        The views.
    lesson : Divided
        Which are needed.
    layer : callable
        Computes them.
    mirrored : bool
        Whether mirror images of the training views are needed.

    Raises
    ------
    RunError
        If values are beyond float16, or no view could be decoded.
    """
    rows = [lesson.train.tolist(), lesson.heldout.tolist()]
    digest = sha256(json.dumps([stated, rows, mirrored], sort_keys=True).encode()).hexdigest()[:16]
    passes = [(lesson.train, False), *([(lesson.train, True)] if mirrored else []), (lesson.heldout, False)]
    return _features(folder / f"{digest}.npy", images, passes, layer)


#: Views, and whether they are mirrored.
_Passes = Sequence[tuple[np.ndarray, bool]]
_KEPT: dict[Path, Features] = {}


def _features(path: Path, images: Images, passes: _Passes, layer: Layer) -> Features:
    """Open the file, in a process once; compute it where it is missing or not what was written."""
    if path not in _KEPT or not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.with_suffix(".lock")):
            if not _whole(path):
                _extract(path, images, passes, layer)
        _KEPT.clear()
        _KEPT[path] = _opened(path, len(passes[0][0]), len(passes) - 1)
    return _KEPT[path]


def _whole(path: Path) -> bool:
    try:
        stated = json.loads(path.with_suffix(".json").read_bytes())
        return bool(stated["sha256"] == _digest(path))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _opened(path: Path, train: int, times: int) -> Features:
    maps = np.load(path, mmap_mode="r", allow_pickle=False)
    stated = json.loads(path.with_suffix(".json").read_bytes())
    known = np.array(stated["known"], bool)
    return Features(
        maps[: times * train].reshape(times, train, *maps.shape[1:]),
        maps[times * train :],
        path,
        (known[:train], known[train:]),
        stated["rejects"],
    )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process of a machine at a time in; elsewhere work done twice leaves the same file."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _extract(path: Path, images: Images, passes: _Passes, layer: Layer) -> None:
    whole, known, start = None, [], 0
    for left in path.parent.glob(f"{path.stem}.partial-*"):  # of a process that was killed
        left.unlink(missing_ok=True)
    partial = path.with_suffix(f".partial-{os.getpid()}")
    for rows, mirrored in passes:
        good = np.zeros(len(rows), bool)
        for first in range(0, len(rows), _BATCH):
            pixels, fine = images.take(rows[first : first + _BATCH])
            good[first : first + len(fine)] = fine
            maps = layer(np.ascontiguousarray(pixels[:, :, ::-1]) if mirrored else pixels)
            if whole is None:
                shape = (sum(len(rows) for rows, _ in passes), *maps.shape[1:])
                whole = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
            half = maps.astype(np.float16)
            if not np.isfinite(half[fine]).all():
                raise RunError(
                    f"activations of {float(abs(maps[fine]).max()):g} are beyond float16; choose another layer"
                )
            whole[start + first : start + first + len(half)] = np.where(fine[:, None, None, None], half, 0)
        known += [good.tolist()] if not mirrored else []
        start += len(rows)
    if whole is None or not all(map(any, known)):
        raise RunError("no view of the data set could be decoded")
    whole.flush()
    stated = {"known": known[0] + known[1], "rejects": images.rejects, "sha256": _digest(partial)}
    write_atomically(path.with_suffix(".json"), json.dumps(stated, sort_keys=True).encode())
    partial.replace(path)


def standard_scale(maps: np.ndarray) -> float:
    """Return one over the standard deviation of all values of maps (n, C, h, w) about 0; 1 where all are 0."""
    squares = sum(float((maps[at : at + _ROWS].astype(np.float64) ** 2).sum()) for at in range(0, len(maps), _ROWS))
    return float(np.sqrt(maps.size / squares)) if squares > 0 else 1.0


def principal_directions(maps: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the channels of maps (n, C, h, w) and their directions of most variance.

    Returns
    -------
    mean : float64 ndarray of shape (C,)
    directions : float64 ndarray of shape (count, C)
        Orthonormal, each of the sign that makes its largest entry positive, over the standard deviation that directions have
        on average; 0 beyond those that vary.
    """
    channels, positions = maps.shape[1], maps[0, 0].size
    total, products = np.zeros(channels), np.zeros((channels, channels))
    # one order and one thread: the same bits in every process
    with threadpool_limits(limits=1):
        for at in range(0, len(maps), _ROWS):
            values = np.moveaxis(maps[at : at + _ROWS], 1, -1).reshape(-1, channels).astype(np.float64)
            total += values.sum(axis=0)
            products += values.T @ values
        number = len(maps) * positions
        mean = total / number
        variance, vectors = np.linalg.eigh(products / number - np.outer(mean, mean))
    variance, vectors = variance[::-1][:count], vectors[:, ::-1][:, :count].T
    vectors *= np.sign(np.take_along_axis(vectors, abs(vectors).argmax(axis=1)[:, None], 1))
    deviation = np.sqrt(np.maximum(variance, 0))
    vectors[variance <= _FLAT * variance[0]] = 0
    return mean, vectors / (deviation.mean() or 1.0)


__all__ = ["Features", "features_of", "principal_directions", "standard_scale"]
