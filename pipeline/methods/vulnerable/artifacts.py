"""What attacks leave beside tables: maxima of every layer before, after and in noise, and attacked images."""

from collections.abc import Mapping
from pathlib import Path

from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace


def shifts_path(run: Path, place: KeyPlace) -> Path:
    """Return where the maxima of a block of views under an attack lie."""
    return run.joinpath("attacks", *place[:-1], f"{place[-1]}.npz")


def pictures_path(run: Path, place: KeyPlace) -> Path:
    """Return where the images of some views of a block under an attack lie."""
    return run.joinpath("attacked-images", *place[:-1], f"{place[-1]}.npz")


def _pictures(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> dict[str, Path]:
    return {"pictures": pictures_path(run, place)} if "pictures" in checksums else {}


def _files(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> dict[str, Path]:
    return {"shifts": shifts_path(run, place)} if "shifts" in checksums else {}


#: Maxima of the views that were attacked, their numbers, and whether their class changed.
SHIFTS = Artifact("shifts", _files)
#: Some attacked images: `view` int32 (n,), `image` uint8 (n, height, width, channels), `attacked` and `control` as uint16.
PICTURES = Artifact("pictures", _pictures)

__all__ = ["PICTURES", "SHIFTS", "pictures_path", "shifts_path"]
