"""What a run will compute, resolved: models opened and identified, layers found, options settled.

A plan is plain values. It is kept in ``run.toml``, so that a finished run is recognised without opening a network.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from filterscope.pipeline.models.coding import Coding
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.run.options import Options, RunOptions
from filterscope.pipeline.stores.places import path_of
from filterscope.pipeline.views.transform import Transform

if TYPE_CHECKING:
    from filterscope.pipeline.views.geometry import Geometry, Kind
    from filterscope.pipeline.views.views import Views

SomeOptions = TypeVar("SomeOptions", bound=Options)


@dataclass(frozen=True)
class PlannedModel:
    """A network of the run: what it is, and which of its layers are audited."""

    spec: ModelSpec
    name: str
    architecture: str
    weights_sha256: str
    transform: Transform
    parameters: int
    batch_size: int
    layers: tuple[Layer, ...]
    #: Digest of the user's own names of classes, where there are any.
    classes_sha256: str | None = None
    #: What tells its forward pass from the one that the run began with, where they differ and the weights do not.
    forward: str | None = None
    #: What its codes are, of an encoder or decoder .
    coding: Coding | None = None

    def geometry(self, kind: "Kind") -> "Geometry":
        """Return how images are fitted to this network's input."""
        from filterscope.pipeline.views.geometry import Geometry

        return Geometry.of(self.transform, kind)

    def layer(self, name: str) -> Layer:
        """Return an audited layer by its name."""
        return next(layer for layer in self.layers if layer.name == name)


@dataclass(frozen=True)
class Plan:
    """Everything that the stages of a run need to know.

    Attributes
    ----------
    run, data : Path
        Folders of the run and of its data set.
    data_identity : str
        Digest of the data set.
    view_count : int
        Views of the run, which are whole images by default.
    torch : str
        Version of torch.
    models : tuple of PlannedModel
        The networks; what travels to a worker holds one.
    settings : mapping
        Options of the run and of all methods, by their flat names; what is absent has its default.
    factories : mapping of str to callable
        What builds the networks of the user's own, by model; never written down.
    grouped : bool
        Whether the data set tells which images belong together.
    """

    run: Path
    data: Path
    data_identity: str
    view_count: int
    torch: str
    models: tuple[PlannedModel, ...]
    settings: Mapping[str, Any]
    factories: Mapping[str, Callable[[], Any]] = field(default_factory=dict, repr=False, compare=False)
    grouped: bool = False

    @cached_property
    def options(self) -> RunOptions:
        """Options of the run as a whole; `actors` is a number and `device` settled."""
        return RunOptions.of(self.settings)

    @property
    def device_name(self) -> str:
        """The card that forward passes run on, as torch names it; empty for cores, and in runs of earlier versions."""
        return str(self.settings.get("device_name", ""))

    def of(self, options: type[SomeOptions]) -> SomeOptions:
        """Return the options of a method, by their class."""
        names = options.flat_names().values()
        return _built(options, tuple((name, _hashable(self.settings[name])) for name in names if name in self.settings))

    def with_options(self, **settings: Any) -> "Plan":
        """Return the plan with other options, by their flat names."""
        return replace(self, settings={**self.settings, **settings})

    @property
    def views(self) -> "Views":
        """What enters the networks, made from the data set again."""
        from filterscope.pipeline.views.views import open_views

        return open_views(self.data, self.data_identity, self.options.view_settings)

    def model(self, name: str) -> PlannedModel:
        """Return a model by its name in the run."""
        return next(model for model in self.models if model.name == name)

    def only(self, *names: str) -> "Plan":
        """Return the plan with these models alone."""
        return replace(
            self,
            models=tuple(model for model in self.models if model.name in names),
            factories={name: factory for name, factory in self.factories.items() if name in names},
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain values for TOML; what is None is left out."""
        stated = {field: getattr(self, field) for field in ("run", "data", "data_identity", "torch")}
        models = [asdict(model) for model in self.models]
        if self.grouped:
            stated["grouped"] = True
        # the key `images` is of version 0.1, when every view was an image; the file format keeps it
        return _without_none({**stated, "images": self.view_count, "models": models, "options": dict(self.settings)})

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any], run: Path) -> "Plan":
        """Read a plan back; `run` is where the folder lies now."""
        models = tuple(
            PlannedModel(
                **{
                    **model,
                    "spec": ModelSpec(**_with_tuples(model["spec"])),
                    "transform": Transform(**_with_tuples(model["transform"])),
                    "layers": tuple(Layer.from_dict(layer) for layer in model["layers"]),
                    "coding": Coding.from_dict(model["coding"]) if model.get("coding") else None,
                }
            )
            for model in stated["models"]
        )
        settings = dict(stated["options"])
        if "metrics" in settings:  # as version 0.1 called them
            settings["methods"] = settings.pop("metrics")
        return cls(
            run,
            path_of(stated["data"]),
            stated["data_identity"],
            stated["images"],
            stated["torch"],
            models,
            settings,
            grouped=stated.get("grouped", False),
        )


@lru_cache(maxsize=128)
def _built(options: type[SomeOptions], settings: tuple[tuple[str, Any], ...]) -> SomeOptions:
    return options.of(dict(settings))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _with_tuples(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _hashable(value) for key, value in stated.items()}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(v) for key, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(v) for v in value]
    return str(value) if isinstance(value, PurePath) else value


__all__ = ["Plan", "PlannedModel"]
