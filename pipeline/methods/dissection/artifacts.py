"""What the stages of dissection leave: masks, label counts, annotations, tables, and what passes without a store leave."""

from collections.abc import Mapping
from pathlib import Path

from filterscope.pipeline.methods.extraction.passes import left_path, left_removed
from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace, Table
from filterscope.pipeline.stores.masks import MaskStore


def label_path(run: Path, geometry: str) -> Path:
    """Return where the label counts of a geometry lie."""
    return run / "masks" / geometry / "labels.npz"


def annotation_paths(run: Path, geometry: str) -> tuple[Path, Path]:
    """Return where the index and the mask words of all views of a geometry lie."""
    folder = run / "masks" / geometry / "annotations"
    return folder / "index.npz", folder / "words"


def _annotation_files(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> dict[str, Path]:
    return {f"annotations/{path.name}": path for path in annotation_paths(run, place[0])}


def _tally_files(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> dict[str, Path]:
    """Return the files of the tallies of a layer on a span of views: two for every block of units, as the marker lists them."""
    names = [name for name in checksums if name.startswith("tallies/")]
    return {name: run.joinpath("tallies", *place[:2], *name.split("/")[1:]) for name in names}


def tally_name(path: Path) -> str:
    """Return what markers call a file of tallies: its name is that of the span, for all blocks of units."""
    return f"tallies/{path.parent.name}/{path.name}"


#: Masks of a block of views in one geometry.
MASKS = Artifact.single("masks", lambda run, place: MaskStore(run, place[0]).path(place[1]))
#: What the labels of a geometry sum to, and which concepts are eligible.
LABELS = Artifact.single("labels", lambda run, place: label_path(run, place[0]))
#: Masks of all views, to be looked up in any order.
ANNOTATIONS = Artifact("annotations", _annotation_files)
#: Thresholds and labels of a block of units, which other methods read.
THRESHOLDS, UNITS = Table("thresholds"), Table("units")
#: Where activations are not stored: what the first pass found of a block of units, and what the second tallied.
STATISTICS = Artifact.single("statistics", lambda run, place: left_path(run, "thresholds", place), left_removed)
TALLIES = Artifact("tallies", _tally_files, left_removed)

__all__ = [
    "ANNOTATIONS",
    "LABELS",
    "MASKS",
    "STATISTICS",
    "TALLIES",
    "THRESHOLDS",
    "UNITS",
    "annotation_paths",
    "label_path",
    "tally_name",
]
