"""What the stage leaves: gradients of a block of views, and their scales."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from filterscope.pipeline.methods.tasks import start_of
from filterscope.pipeline.stores.artifacts import Artifact, KeyPlace
from filterscope.pipeline.stores.gradients import GradientStore

Some = TypeVar("Some")


def _files(run: Path, place: KeyPlace, checksums: Mapping[str, str]) -> Mapping[str, Path]:
    model, layer, block = place
    return named(GradientStore(run, model, layer).files(start_of(block)))


def named(files: Mapping[str, Some]) -> dict[str, Some]:
    """Return files, or their checksums, by the names that markers call them."""
    return {f"gradients/{name}": file for name, file in files.items()}


#: Gradients of a block of views with respect to a layer's maps.
GRADIENTS = Artifact("gradients", _files)

__all__ = ["GRADIENTS", "named"]
