"""What a recipe is: a value from which the verb `train` derives its flags, its pieces of work and its fingerprints."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import StrictInt

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.options import Options, at_most, option
from filterscope.pipeline.training.team import Team

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from torch import Tensor, nn

    from filterscope.pipeline.datasets.layout import Dataset
    from filterscope.pipeline.models.spec import ModelSpec
    from filterscope.pipeline.models.trained import Description

TRAIN, HELDOUT = "train", "heldout"


class RecipeOptions(Options):
    """What every recipe lets a person set; a recipe adds its own, each made by `option`."""

    epochs: Annotated[StrictInt, at_most(100_000, "each is a piece of work")] = option(
        8, "passes over the training images", ge=1
    )


@dataclass(frozen=True)
class Subject:
    """What a training starts from: a layer of a network, or nothing.

    Attributes
    ----------
    spec : ModelSpec, optional
        The network; None where the recipe starts from none.
    model, weights_sha256 : str
        Its name and the digest of its weights.
    layer : str
        The layer.
    settings : str
        What is stated of the network beside its source, such as the size of its input.
    """

    spec: "ModelSpec | None" = None
    model: str = ""
    weights_sha256: str = ""
    layer: str = ""
    settings: str = ""

    @property
    def name(self) -> str:
        """Its name in the table `training`."""
        return "-".join(filter(None, (self.model, self.layer))) or "data"

    @property
    def parameters(self) -> dict[str, str]:
        """What results depend on."""
        stated = {"weights": self.weights_sha256, "layer": self.layer, "settings": self.settings}
        return {name: value for name, value in stated.items() if value}


@dataclass(frozen=True)
class Setting:
    """Everything that a training needs to know; plain values, which travel to a worker.

    Attributes
    ----------
    recipe, name : str
        The recipe, and the name of the network that it makes.
    options : RecipeOptions
        The recipe's own.
    data : Path
        Folder of the data set.
    data_identity : str
        Its digest.
    subject : Subject
        What the training starts from.
    seed : int
        Of its initial weights, its order of images and all that it draws.
    variant : str
        Which of the recipe's variants; empty where it has one.
    device : str
        cpu or cuda.
    threads : int
        Of the processor that compute one training, or each of its workers; results depend on it.
    workers : int
        That train the network together; results depend on it.
    shared : Path, optional
        Folder for what trainings of the run have in common; known once one is at work.
    """

    recipe: str
    name: str
    options: Any
    data: Path
    data_identity: str
    subject: Subject
    seed: int
    variant: str = ""
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    shared: Path | None = None


@dataclass(frozen=True)
class Measure:
    """A number of an epoch, a row of the table `training`: columns of the same names."""

    split: str
    metric: str
    value: float
    control: float | None = None
    label: str | None = None
    examples: int = 0


class Training(ABC):
    """One training at work: a network, its loss, its optimisers and their schedules.

    It holds no random state: all that an epoch draws comes from the generator that it is handed, or from that of torch, both
    seeded by recipe, subject, seed and epoch. So an epoch follows from the state before it alone.

    Attributes
    ----------
    network : nn.Module
        What is trained, and what is left at the end.
    parts : mapping of str to object
        All that changes from epoch to epoch, by name: what has `state_dict` and `load_state_dict`, the network among them.
    step : int
        Updates made.
    images : int
        Images of an epoch, for progress.
    rejects : mapping of str to str
        Images that could not be decoded, and why.
    """

    network: "nn.Module"
    parts: Mapping[str, Any]
    step: int = 0
    images: int = 0
    rejects: Mapping[str, str] = {}

    def join(self, team: Team) -> None:
        """Train as one worker of several from now on; called once, before the first epoch of a piece of work.

        A recipe whose training can says so by `Recipe.divisible`: it divides each batch, and holds the same parameters and
        buffers as the others after an epoch.
        """
        if team.size > 1:
            raise InputError("this recipe trains with one worker; drop --workers")

    @abstractmethod
    def epoch(self, number: int, random: "np.random.Generator") -> Sequence[Measure]:
        """Make a pass over the training images, the first of which has number 0, and return what was measured."""

    @abstractmethod
    def description(self) -> "Description":
        """Say what the network is, so that it can be opened by ``trained:RUN/NAME``."""

    def weights(self) -> "Mapping[str, Tensor]":
        """Return the weights that are left at the end: a state dict of what `description` builds."""
        return self.network.state_dict()

    def tables(self) -> "Mapping[str, Sequence[pa.Table]]":
        """Return rows of the recipe's own tables, by the name of each; asked once, after the last epoch."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return all that the next epoch depends on."""
        return {"step": self.step, "parts": {name: part.state_dict() for name, part in self.parts.items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.step = state["step"]
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])


def _nothing(options: Any, dataset: "Dataset") -> None:
    pass


@dataclass(frozen=True)
class Recipe:
    """A way to train a network.

    Attributes
    ----------
    name : str
        As in ``filterscope train NAME``.
    about : str
        What it trains, in a sentence without a full stop.
    source : str
        Paper and section.
    start : callable
        ``start(setting)`` returns a `Training` before its first epoch. It is called in a worker, with the generator of torch
        seeded and the number of threads set; imports what is heavy when it is called.
    options : type
        Its options.
    check : callable
        ``check(options, dataset)`` raises InputError where the data set cannot be learned from, before anything is trained.
    from_model : bool
        Whether it starts from layers of existing networks, as --model and --layers name them.
    code : bool
        Whether such a network may be code of the user's own: what the recipe leaves opens without it.
    segment : int
        Epochs of a piece of work.
    divisible : bool
        Whether several workers can train one network: `Training.join`.
    variants : tuple of str
        What each seed is trained as, side by side, from the same initial weights.
    tables : tuple of str
        Tables of its own, which trainings of it leave at the end.
    control : str
        What the control of its measures is.
    version : int
        Raised when the same options lead to other weights.
    """

    name: str
    about: str
    source: str
    start: Callable[[Setting], Training] = field(repr=False)
    options: type[RecipeOptions] = RecipeOptions
    check: "Callable[[Any, Dataset], None]" = field(default=_nothing, repr=False)
    from_model: bool = False
    code: bool = False
    segment: int = 1
    divisible: bool = False
    variants: tuple[str, ...] = ("",)
    tables: tuple[str, ...] = ()
    control: str = (
        "what always the same answer, the most frequent of the training images, would give on held-out images"
    )
    version: int = 1


__all__ = ["HELDOUT", "TRAIN", "Measure", "Recipe", "RecipeOptions", "Setting", "Subject", "Training"]
