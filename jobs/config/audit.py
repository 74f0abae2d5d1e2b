"""What an audit is asked to do: options and models, read from a TOML file and overridden by flags."""

import math
import os.path
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from filterscope.jobs.config.zoo import ENTRY_KEYS, absolute, expand
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.run.selection import canonical

if TYPE_CHECKING:
    from filterscope.pipeline.models.spec import ModelSpec


def _listed(value: object) -> object:
    """Accept `a,b`, lists of such and the number -1, and drop repeated names."""
    if value is None or not isinstance(value, (str, list, tuple)):
        return value
    items = [value] if isinstance(value, str) else [str(item) if item == -1 else item for item in value]
    if not all(isinstance(item, str) for item in items):
        return items
    names = tuple(dict.fromkeys(part.strip() for item in items for part in item.split(",") if part.strip()))
    if not names:
        raise ValueError("at least one name")
    return names


def _units(value: object) -> object:
    """Accept `3,17,40-47`, whole numbers and lists of such."""
    items = value if isinstance(value, (list, tuple)) else [value]
    if value is None or not all(isinstance(item, (str, int)) and not isinstance(item, bool) for item in items):
        return value
    return canonical(",".join(map(str, items)))


def _power_of_two(value: float) -> float:
    if not (math.isfinite(value) and value > 0 and math.frexp(value)[0] == 0.5):
        raise ValueError("a power of two, such as 0.0625")
    return value


def _views(value: str) -> str:
    kind, colon, category = value.partition(":")
    if value not in ("image", "objects") and not (kind == "objects" and colon and category):
        raise ValueError("image, objects or objects:CATEGORY")
    return value


def _folder(value: object) -> Path:
    if not isinstance(value, (str, PurePath)):
        raise PydanticCustomError("path_type", "a path")
    from filterscope.pipeline.stores.places import path_of  # only here: naming a configuration loads nothing heavy

    return path_of(value)


Folder = Annotated[Path, PlainValidator(_folder), PlainSerializer(str, when_used="json")]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Positive = Annotated[StrictInt, Field(ge=1)]
Metric = Literal[
    "dissection",
    "significance",
    "growth",
    "parts",
    "anchorings",
    "stability",
    "location",
    "receptive-field",
    "patterns",
    "graph",
    "pattern-positions",
]


class ModelConfig(BaseModel):
    """One network to audit; what it leaves unset is the weights' own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(description="SCHEME:ARCH[@WEIGHTS]")
    name: str | None = Field(None, description="name in the run, unique and safe as a path")
    layers: Names | None = Field(None, description="its layers, instead of the audit's")
    input_size: StrictInt | None = Field(None, description="height and width of the input, in pixels")
    mean: tuple[StrictFloat, ...] | None = Field(None, description="mean of R, G and B in 0..1")
    std: tuple[StrictFloat, ...] | None = Field(None, description="standard deviation of R, G and B in 0..1")
    interpolation: str | None = Field(None, description="filter of the resizing")
    state_key: str | None = Field(None, description="key of the state dict inside the checkpoint")
    basis: str | None = Field(None, description="rotate:SEED[:ALPHA], a random rotation of the units as a control")

    @model_validator(mode="after")
    def _opens_as_spec(self) -> Self:
        self.spec()
        return self

    def spec(self) -> "ModelSpec":
        """Return the model as `pipeline.models.spec.ModelSpec`, which checks it.

        Raises
        ------
        InputError
            If the source, the name or a setting is malformed.
        """
        from filterscope.pipeline.models.spec import ModelSpec

        return ModelSpec(**self.model_dump(exclude={"layers"}, exclude_none=True))


class AuditConfig(BaseModel):
    """All settings of an audit; immutable, paths absolute when it comes from `load_config`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Folder = Field(description="the folder of an imported data set (--data DIR)")
    out: Folder = Field(description="the folder of the run (--out DIR)")
    models: tuple[ModelConfig, ...] = Field(description="networks (--model SOURCE, or [[models]] in a TOML file)")
    layers: Names = Field(("-1",), description="layers of models that state none: names, globs, -1")
    anchoring: Literal["resize", "receptive_field"] = Field(
        "resize", description="where map positions lie in the input"
    )
    mask_mode: Literal["upsample", "survey"] = Field(
        "upsample", description="upsample, then threshold; or survey: the union of the valid cells' receptive fields"
    )
    geometry: Literal["squash", "crop"] = Field("squash", description="how images and masks are fitted to the input")
    views: Annotated[StrictStr, AfterValidator(_views)] = Field(
        "image", description="image, objects or objects:CATEGORY: what enters the networks"
    )
    flips: StrictBool = Field(False, description="every view a second time, mirrored left to right")
    negatives: StrictBool = Field(False, description="with objects: the images of the split negative too, whole")
    min_images: Positive = Field(10, description="images a concept must be in to label a unit")
    quantile: StrictFloat = Field(0.005, gt=0, lt=1, description="probability of an activation above the threshold")
    mask_size: Positive | None = Field(None, description="rows and columns of masks; unset: half the input")
    metrics: Annotated[tuple[Metric, ...], BeforeValidator(_listed)] = Field(
        ("dissection", "anchorings", "significance"), description="what is computed from the activations"
    )
    unit_image: Literal["active", "top", "off"] = Field("active", description="which rows the table unit_image keeps")
    top_images: Positive = Field(15, description="images of largest maximum kept for every unit")
    keep_activations: bool = Field(True, description="keep a layer's activations when all is computed from them")
    basis: str | None = Field(None, description="basis of models that state none: rotate:SEED[:ALPHA]")
    store: Literal["zarr", "none"] = Field(
        "zarr", description="where activations go; none runs the networks twice and keeps only what is found"
    )
    location_protocol: Literal["survey", "explanatory-graph", "interpretable-cnn"] = Field(
        "survey", description="how location chooses images and takes the deviation"
    )
    occluder: Positive = Field(33, description="rows and columns of the occluders of receptive-field")
    occluder_step: Positive = Field(9, description="pixels between neighbouring occluders; the paper has 11 and 3")
    field_images: Positive = Field(10, description="strongest images that are occluded for a unit")
    field_units: Positive = Field(64, description="units of every layer whose receptive field is measured")
    units: Annotated[StrictStr | None, BeforeValidator(_units)] = Field(
        None, description="the units of every layer that receptive-field measures, such as 3,17,40-47, not seeded ones"
    )
    graph_mode: Literal["paper", "release"] = Field("paper", description="how explanatory graphs are learned")
    graph_iterations: Positive = Field(20, description="rounds of learning an explanatory graph")
    graph_heldout: StrictFloat = Field(
        0.33, ge=0, lt=1, description="share of images that graphs are not learned from and nodes are measured on"
    )
    max_rejects: StrictFloat = Field(0.01, ge=0, le=1, description="fraction of images that may be unreadable")
    batch_size: Positive | None = Field(None, description="images a forward pass; unset: measured once for every model")
    image_block: Positive = Field(64, description="images in a unit of work of extract")
    unit_block: Positive = Field(128, description="units in a unit of work of dissect")
    actors: Annotated[StrictInt, Field(ge=0)] | None = Field(
        None, description="processes that hold a model, 0: all in this one; unset: from the machine and the images"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the forward pass runs")
    activation_scale: Annotated[StrictFloat, AfterValidator(_power_of_two)] = Field(
        1.0, description="factor on activations before they become float16"
    )

    @model_validator(mode="after")
    def _distinct_models(self) -> Self:
        seen: set[str] = set()
        for model in self.models:
            named = f"model name {model.name!r}" if model.name else f"model {model.source!r} without a name"
            if named in seen:
                raise ValueError(f"{named} is listed twice; give every model a name of its own")
            seen.add(named)
        return self

    def layers_of(self, model: ModelConfig) -> tuple[str, ...]:
        """Return the layers asked of one model: its own, else the audit's."""
        return model.layers or self.layers

    def spec_of(self, model: ModelConfig) -> "ModelSpec":
        """Return one model as it is asked for; raises InputError where its basis is malformed."""
        basis = model.basis or self.basis
        if basis is None:
            return model.spec()
        name = f"{model.name}-{basis.replace(':', '-')}" if model.name and not model.basis else model.name
        return model.model_copy(update={"basis": basis, "name": name}).spec()

    def resolved(self) -> dict[str, Any]:
        """Return all settings as plain values that JSON and TOML can hold; unset ones are left out.

        Written as TOML, it loads as an equal configuration.
        """
        return self.model_dump(mode="json", exclude_none=True)


def load_config(path: str | Path | None = None, *, elsewhere: bool = False, **overrides: Any) -> AuditConfig:
    """Read a configuration from a TOML file, from flags, or from both.

    Parameters
    ----------
    path : path, optional
        The TOML file. Relative paths inside it start from its folder.
    elsewhere : bool
        Whether another machine will audit, so that the data set need not be here.
    **overrides
        Fields of `AuditConfig`, which replace those of the file; None and empty lists are ignored. `models` may hold
        sources. Relative paths start from the working directory.

    Returns
    -------
    AuditConfig
        Checked, with one model a checkpoint and absolute paths.

    Raises
    ------
    InputError
        If the file cannot be read, a key is unknown, a value is wrong, or the data-set folder is missing.
    """
    place = "the options" if path is None else str(path)
    stated = {} if path is None else _read_toml(Path(path))
    flags = {key: value for key, value in overrides.items() if value is not None and value != [] and value != ()}
    _refuse_unknown(stated, AuditConfig.model_fields, place)
    _refuse_unknown(flags, AuditConfig.model_fields, "the options")
    folder = Path.cwd() if path is None else absolute(Path(path).parent, Path.cwd())
    settings = _with_paths(stated, folder) | _with_paths(flags, Path.cwd())
    if "models" in flags:
        models, problems = _models(flags["models"], Path.cwd(), "--model", "the options")
    else:
        models, problems = _models(stated.get("models", []), folder, "[[models]] number {}", place)
    config = _validated(settings | {"models": models}, problems, place)
    data = config.data
    if not elsewhere and not (os.path.isdir(data) if isinstance(data, Path) else data.is_dir()):
        raise InputError(f"no data set at {config.data}; make one with `filterscope import` or `filterscope sample`")
    return config


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no configuration file at {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path} as TOML: {error}") from error


def _with_paths(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    for key in ("data", "out"):
        if re.match(r"(?!s3:)[a-z0-9+.-]+:/", str(settings.get(key))):
            raise InputError(
                f"{key}: received {str(settings[key])!r}; expected a folder of a file system or s3://BUCKET/KEY"
            )
    return {
        key: absolute(value, folder) if key in ("data", "out") and isinstance(value, (str, PurePath)) else value
        for key, value in settings.items()
    }


def _refuse_unknown(given: Iterable[str], valid: Iterable[str], place: str) -> None:
    names = list(valid)
    every = f" Keys are: {', '.join(names)}."
    wrong = [key for key in given if key not in names]
    if wrong:
        raise InputError(
            "\n".join(f"unknown key {key!r} in {place}.{did_you_mean(key, names) or every}" for key in wrong)
        )


def _models(entries: object, folder: Path, where: str, place: str) -> tuple[list[ModelConfig], list[str]]:
    """Return the models that can be made of the entries, and what is wrong with the others."""
    models: list[ModelConfig] = []
    problems: list[str] = []
    for number, entry in enumerate(_list(entries), start=1):
        label = where.format(number)
        if isinstance(entry, Mapping):
            _refuse_unknown(entry, (*ModelConfig.model_fields, *ENTRY_KEYS), f"{label} of {place}")
        try:
            models += [entry] if isinstance(entry, ModelConfig) else _made(expand(entry, folder))
        except ValidationError as error:
            problems += [f"{label}: {_problem(detail)}" for detail in error.errors()]
        except InputError as error:
            problems.append(f"{label}: {error}")
    return models, problems


def _made(entries: list[dict[str, Any]]) -> list[ModelConfig]:
    return [ModelConfig(**entry) for entry in entries]


def _list(value: object) -> list[Any]:
    if isinstance(value, (str, Mapping)):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise InputError(f"models: received {value!r}; expected [[models]] tables or a list of sources")
    return list(value)


def _validated(settings: dict[str, Any], problems: list[str], place: str) -> AuditConfig:
    config = None
    try:
        if not settings["models"]:
            del settings["models"]
        config = AuditConfig(**settings)
    except ValidationError as error:
        # a model that could not be made is reported as such, not as missing
        known = [detail for detail in error.errors() if not (problems and detail["loc"] == ("models",))]
        problems = [_problem(detail) for detail in known] + problems
    if config is None or problems:
        start = f"{place}: " if len(problems) == 1 else f"{place} cannot be used:\n  "
        raise InputError(start + "\n  ".join(problems))
    return config


_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "path_type": "a path",
    "tuple_type": "a list",
}


def _problem(detail: Any) -> str:
    """Say in plain words what pydantic found: key, value received, value expected."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing" and key in AuditConfig.model_fields:
        return f"{key}: missing; expected {AuditConfig.model_fields[key].description}"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if not key:
        return message
    received = repr(detail["input"])
    received = received if len(received) <= 80 else f"{received[:77]}..."
    return f"{key}: received {received}; expected {_EXPECTED.get(detail['type'], message)}"


__all__ = ["AuditConfig", "ModelConfig", "load_config"]
