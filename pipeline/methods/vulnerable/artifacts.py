"""What attacks leave for the units: maxima of every layer before, after, and in noise."""

from collections.abc import Mapping
from pathlib import Path

from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace


def shifts_path(run: Path, place: KeyPlace) -> Path:
    """Return where the maxima of a block of views under an attack lie."""
    return run.joinpath("attacks", *place[:-1], f"{place[-1]}.npz")


def _files(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> dict[str, Path]:
    return {"shifts": shifts_path(run, place)} if "shifts" in checksums else {}


#: Maxima of the views that were attacked, and whether their class changed.
SHIFTS = Artifact("shifts", _files)

__all__ = ["SHIFTS", "shifts_path"]
