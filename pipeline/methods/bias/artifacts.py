"""What is kept between the stages: cosines and maps of every block of views, scores, and what edits do to them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from filterscope.pipeline.methods.tasks import view_blocks
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.arrays import read_arrays
from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace
from filterscope.pipeline.stores.promises import Promise

#: Stages that write them.
MINE, EDIT = "mine-patterns", "edit-regions"
#: The network as it is, and with its weights in another order.
TRAINED, RANDOM = "trained", "random"


def patterns_path(run: Path, place: KeyPlace) -> Path:
    """Return where the cosines of a block lie."""
    return run.joinpath("bias", "patterns", *place[:-1], f"{place[-1]}.npz")


def scores_path(run: Path, place: KeyPlace) -> Path:
    """Return where the scores of a block lie."""
    return run.joinpath("bias", "scores", *place[:-1], f"{place[-1]}.npz")


def edits_path(run: Path, place: KeyPlace) -> Path:
    """Return where the edits of a block lie."""
    return run.joinpath("bias", "edits", *place[:-1], f"{place[-1]}.npz")


def _files_of_scores(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> dict[str, Path]:
    """Return the file of scores of a block; those of the randomised network are not kept."""
    return {"scores_of_attributes": scores_path(run, place)} if "scores_of_attributes" in checksums else {}


PATTERNS = Artifact.single("patterns_of_attributes", patterns_path)
SCORES = Artifact("scores_of_attributes", _files_of_scores)
EDITED = Artifact.single("edits", edits_path)


def read_patterns(run: Path, place: Sequence[str], *names: str) -> dict[str, np.ndarray]:
    """Read the cosines of a block, all arrays or some; raises DamagedError if the file is not the one that was written."""
    path = patterns_path(run, place)
    return read_arrays(Promise(run, (MINE,), tuple(place)).read(PATTERNS.name, path), *names)


def read_edits(run: Path, place: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the edits of a block; raises DamagedError likewise."""
    return read_arrays(Promise(run, (EDIT,), tuple(place)).read(EDITED.name, edits_path(run, place)))


def read_scores(plan: Plan, model: str) -> tuple[list[str], np.ndarray]:
    """Return the names of the outputs that are compared, and the score of each on every view of a run.

    Returns
    -------
    names : list of str
        A of them.
    scores : float32 ndarray of shape (views, A)
        NaN on views that were not mined or not decoded.
    """
    names: list[str] = []
    parts = []
    for block, start, stop in view_blocks(plan):
        place = (model, TRAINED, block)
        data = Promise(plan.run, (MINE,), place).read(SCORES.name, scores_path(plan.run, place))
        stored = read_arrays(data)
        names = stored["names"].tolist()
        part = np.full((min(stop, plan.view_count) - start, len(names)), np.nan, np.float32)
        part[stored["views"] - start] = stored["scores"]
        parts.append(part)
    return names, np.concatenate(parts)


__all__ = [
    "EDIT",
    "EDITED",
    "MINE",
    "PATTERNS",
    "RANDOM",
    "SCORES",
    "TRAINED",
    "edits_path",
    "patterns_path",
    "read_edits",
    "read_patterns",
    "read_scores",
    "scores_path",
]
