"""Needs that methods of any room share: landmarks, concepts of a category, receptive fields, maps with positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.needs import Need, refuse_without_field

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer


@dataclass(frozen=True)
class Landmarks(Need):
    """Landmarks of the images or of their objects."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a data set without landmarks."""
        Dataset.open(dataset.folder, need="landmarks")


@dataclass(frozen=True)
class Category(Need):
    """Concepts of one category.

    Attributes
    ----------
    name : str
        The category.
    sources : str
        Data sets that have it.
    """

    name: str
    sources: str

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a data set without such a concept."""
        if self.name not in dataset.concepts["category"].to_pylist():
            raise InputError(
                f"the data set {dataset.folder} has no concept of the category {self.name!r}, which --methods {method} "
                f"compares units with; import one that has, such as {self.sources}, or drop {method} from --methods"
            )


@dataclass(frozen=True)
class Fields(Need):
    """Theoretical receptive fields of all layers; `why` says what for."""

    why: str

    def check_layers(self, method: str, model: str, layers: "Sequence[Layer]", settings: Mapping[str, Any]) -> None:
        """Refuse layers without receptive fields."""
        refuse_without_field(layers, model, self.why, f"drop {method} from --methods")


@dataclass(frozen=True)
class Positions(Need):
    """Maps of more than one row and column."""

    def check_layers(self, method: str, model: str, layers: "Sequence[Layer]", settings: Mapping[str, Any]) -> None:
        """Stop where a layer's maps have no positions to tell apart."""
        for layer in layers:
            if min(layer.height, layer.width) < 2:
                raise InputError(
                    f"layer {layer.name!r} of {model} has maps of {layer.height} x {layer.width}: "
                    "nodes need positions; choose an earlier layer"
                )


__all__ = ["Category", "Fields", "Landmarks", "Positions"]
