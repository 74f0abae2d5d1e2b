"""What a run will compute, resolved: models opened and identified, layers found, options settled.

A plan is plain values. It is kept in ``run.toml``, so that a finished run is recognised without opening a network.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.stores.places import path_of
from filterscope.pipeline.views.geometry import Geometry, Kind
from filterscope.pipeline.views.transform import Transform
from filterscope.pipeline.views.views import Views, ViewSettings, open_views


@dataclass(frozen=True)
class Options:
    """Settings of the stages; see `jobs.config.audit.AuditConfig` for what each means. Of a plan, `actors` is a number."""

    anchoring: str
    metrics: tuple[str, ...]
    geometry: Kind
    views: str
    flips: bool
    negatives: bool
    min_images: int
    quantile: float
    mask_size: int | None
    unit_image: str
    top_images: int
    max_rejects: float
    image_block: int
    unit_block: int
    actors: int | None
    device: str
    activation_scale: float
    keep_activations: bool
    store: str = "zarr"
    mask_mode: str = "upsample"
    location_protocol: str = "survey"
    occluder: int = 33
    occluder_step: int = 9
    field_images: int = 10
    field_units: int = 64
    units: str | None = None
    graph_mode: str = "paper"
    graph_iterations: int = 20
    graph_heldout: float = 0.33

    @property
    def stored(self) -> bool:
        """Whether activations are stored."""
        return self.store != "none"

    @property
    def view_settings(self) -> ViewSettings:
        """Which views the run has."""
        return ViewSettings(self.views, self.flips, self.negatives)


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

    def geometry(self, kind: Kind) -> Geometry:
        """Return how images are fitted to this network's input."""
        return Geometry.of(self.transform, kind)


@dataclass(frozen=True)
class Plan:
    """Everything that the stages of a run need to know; `images` counts views, which are whole images by default."""

    run: Path
    data: Path
    data_identity: str
    images: int
    torch: str
    models: tuple[PlannedModel, ...]
    options: Options

    @property
    def views(self) -> Views:
        """What enters the networks, made anew from the data set."""
        return open_views(self.data, self.data_identity, self.options.view_settings)

    def mask_size(self, model: PlannedModel) -> tuple[int, int]:
        """Return rows and columns of the masks for a model: half its input unless set."""
        if self.options.mask_size:
            return self.options.mask_size, self.options.mask_size
        height, width = model.transform.input_size
        return max(height // 2, 1), max(width // 2, 1)

    def mask_key(self, model: PlannedModel) -> str:
        """Return the name of the masks that a model is compared with, such as ``squash-112``."""
        rows, columns = self.mask_size(model)
        size = str(rows) if rows == columns else f"{rows}x{columns}"
        return f"{model.geometry(self.options.geometry).mask_key}-{size}"

    def model(self, name: str) -> PlannedModel:
        """Return a model by its name in the run."""
        return next(model for model in self.models if model.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain values for TOML; what is None is left out."""
        return _without_none(asdict(self))

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any], run: Path) -> "Plan":
        """Read a plan back; `run` is where the folder lies now."""
        models = tuple(
            PlannedModel(
                **{
                    **model,
                    "spec": ModelSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in model["spec"].items()}),
                    "transform": Transform(
                        **{k: tuple(v) if isinstance(v, list) else v for k, v in model["transform"].items()}
                    ),
                    "layers": tuple(Layer.from_dict(layer) for layer in model["layers"]),
                }
            )
            for model in stated["models"]
        )
        options = Options(**{"mask_size": None, **stated["options"], "metrics": tuple(stated["options"]["metrics"])})
        rest = {key: stated[key] for key in ("data_identity", "images", "torch")}
        return cls(run=run, data=path_of(stated["data"]), models=models, options=options, **rest)

    def only(self, names: set[str]) -> "Plan":
        """Return the plan with these models alone."""
        return replace(self, models=tuple(model for model in self.models if model.name in names))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(v) for key, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(v) for v in value]
    return str(value) if isinstance(value, PurePath) else value
