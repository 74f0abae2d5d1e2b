"""What an audit is asked to do: options and models, read from a TOML file and overridden by flags."""

import json
import os.path
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictFloat,
    StrictInt,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from filterscope.jobs.config.problems import problem
from filterscope.jobs.config.zoo import ENTRY_KEYS, absolute, expand
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods import registry
from filterscope.pipeline.run.options import Options, RunOptions, at_most

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


def _arguments(value: object) -> object:
    """Write a table of arguments as NAME=VALUE."""
    if not isinstance(value, Mapping):
        return value
    return [f"{name}={given if isinstance(given, str) else json.dumps(given)}" for name, given in value.items()]


def _size(value: object) -> object:
    sides = value if isinstance(value, (list, tuple)) and len(value) == 2 else [value]
    if not all(type(side) is int for side in sides):
        raise PydanticCustomError("size", "a whole number")
    return tuple(sides) if len(sides) == 2 else value


def _folder(value: object) -> Path:
    if not isinstance(value, (str, PurePath)):
        raise PydanticCustomError("path_type", "a path")
    from filterscope.pipeline.stores.places import path_of  # only here: naming a configuration loads nothing heavy

    return path_of(value)


#: What settings that come from no file are called in messages.
_OPTIONS = "the options"

#: Names of version 0.1, which are still accepted.
FORMER_NAMES = {"metrics": "methods"}

Folder = Annotated[Path, PlainValidator(_folder), PlainSerializer(str, when_used="json")]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Arguments = Annotated[tuple[str, ...], BeforeValidator(_arguments)]
Size = Annotated[int | tuple[int, int], PlainValidator(_size), PlainSerializer(lambda value: value)]
_BATCH = at_most(4096, "the activations of a batch are in memory at once")
Positive = Annotated[StrictInt, Field(ge=1), _BATCH]


class ModelConfig(BaseModel):
    """One network to audit; what it leaves unset is the weights' own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(description="SCHEME:ARCH[@WEIGHTS]")
    name: str | None = Field(None, description="name in the run, unique and safe as a path")
    layers: Names | None = Field(None, description="its layers, instead of the audit's")
    input_size: Size | None = Field(None, description="height and width of the input, in pixels, or one for both")
    mean: tuple[StrictFloat, ...] | None = Field(None, description="mean of R, G and B in 0..1")
    std: tuple[StrictFloat, ...] | None = Field(None, description="standard deviation of R, G and B in 0..1")
    interpolation: str | None = Field(None, description="filter of the resizing")
    state_key: str | None = Field(None, description="key of the state dict inside the checkpoint")
    prefix: str | None = Field(None, description="prefix of the network's keys in the checkpoint")
    basis: str | None = Field(None, description="rotate:SEED[:ALPHA], a random rotation of the units as a control")
    classes: str | None = Field(None, description="CSV file of index,name: what its classes are called")
    args: Arguments | None = Field(None, description="arguments of its constructor: NAME=VALUE, or a table")

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


class _Audit(BaseModel):
    """What is asked of an audit beside the options of the run and of its methods, which `AuditConfig` adds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Folder = Field(description="the folder of an imported data set (--data DIR)")
    out: Folder = Field(description="the folder of the run (--out DIR)")
    models: tuple[ModelConfig, ...] = Field(description="networks (--model SOURCE, or [[models]] in a TOML file)")
    layers: Names = Field(("-1",), description="layers of models that state none: names, globs, -1")
    basis: str | None = Field(None, description="basis of models that state none: rotate:SEED[:ALPHA]")
    model_args: Arguments | None = Field(None, description="constructor arguments for models that state none")
    state_key: str | None = Field(None, description="key of the state dict, for models that state none")
    prefix: str | None = Field(None, description="prefix of the network's keys, for models that state none")
    batch_size: Positive | None = Field(
        None, description="views per forward pass; unset: measured once for every model"
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
        if self.model_args and not model.args:
            model = model.model_copy(update={"args": self.model_args})
        if model.spec().weights_path is not None:
            unset = [option for option in ("state_key", "prefix") if getattr(model, option) is None]
            model = model.model_copy(update={option: getattr(self, option) for option in unset})
        basis = model.basis or self.basis
        if basis is None:
            return model.spec()
        name = f"{model.name}-{basis.replace(':', '-')}" if model.name and not model.basis else model.name
        return model.model_copy(update={"basis": basis, "name": name}).spec()

    def resolved(self) -> dict[str, Any]:
        """Return all settings as plain values that JSON and TOML can hold; unset ones are left out.

        Written as TOML, it loads as an equal configuration.
        """
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)

    @classmethod
    def recorded(cls, request: Mapping[str, Any]) -> Self:
        """Read back what `resolved` returned in this version or in 0.1; raises ValueError if it is no longer valid."""
        return cls(**_renamed(request))


def _method_names(value: object) -> object:
    """Accept `a,b` and lists of such, and refuse what is no method."""
    found = _listed(value)
    if isinstance(found, tuple):
        known = registry.names()
        unknown = [name for name in found if name not in known]
        if unknown:
            hint = did_you_mean(unknown[0], known)
            said = f"names of methods, and {unknown[0]!r} is not one.{hint} Methods are: {', '.join(known)}"
            raise PydanticCustomError("method", "{said}", {"said": said})
    return found


def attribute(flat: str) -> str:
    """Return the name that an option has in Python: ``localize_shots`` for ``localize.shots``."""
    return re.sub(r"\W", "_", flat)


def _field(found: FieldInfo, flat: str) -> tuple[Any, FieldInfo]:
    """Return the annotation and a copy of an option's field, which goes by its flat name."""
    field = copy(found)
    if not flat.isidentifier():
        field.alias = field.validation_alias = field.serialization_alias = flat
    metadata = tuple(field.metadata)
    return (Annotated[field.annotation, *metadata] if metadata else field.annotation), field


def _all_options() -> list[type[Options]]:
    return [RunOptions, *(method.options for method in registry.METHODS)]


def _config_class() -> type[_Audit]:
    """Make the configuration of the options that the run and the registered methods state."""
    fields: dict[str, Any] = {}
    for options in _all_options():
        for name, flat in options.flat_names().items():
            if attribute(flat) in (*fields, *_Audit.model_fields):
                raise ValueError(f"option {flat} of {options.__name__} is stated twice")
            fields[attribute(flat)] = _field(options.model_fields[name], flat)
    fields["methods"] = (
        Annotated[tuple[str, ...], BeforeValidator(_method_names)],
        Field(
            registry.defaults(),
            description="which methods are computed, of those that the help lists",
            json_schema_extra=RunOptions.model_fields["methods"].json_schema_extra,
        ),
    )
    made = create_model("AuditConfig", __base__=_Audit, __module__=__name__, **fields)
    made.__doc__ = "All settings of an audit; immutable, paths absolute when it comes from `load_config`."
    return made


if TYPE_CHECKING:

    class AuditConfig(_Audit):
        """All settings of an audit, with those of the options that the verbs themselves look at."""

        methods: tuple[str, ...] = ()
        store: str = "auto"

else:
    AuditConfig = _config_class()


def flat_options() -> dict[str, FieldInfo]:
    """Return the field of every option of the run and of all methods by its flat name."""
    found: dict[str, FieldInfo] = {}
    for options in _all_options():
        found |= {flat: options.model_fields[name] for name, flat in options.flat_names().items()}
    return found


def settings_of(config: _Audit) -> dict[str, Any]:
    """Return the options of the run and of all methods of a configuration by their flat names."""
    return {flat: getattr(config, attribute(flat)) for flat in flat_options()}


def load_config(path: str | Path | None = None, *, elsewhere: bool = False, **overrides: Any) -> AuditConfig:
    """Read a configuration from a TOML file, from flags, or from both.

    Parameters
    ----------
    path : path, optional
        The TOML file. Relative paths inside it start from its folder.
    elsewhere : bool
        Whether the audit will run on another machine, so that the data set need not be on this one.
    **overrides
        Options by their flat names, or those of a method as a mapping, as in a table of the file: ``graph={"heldout": 0.2}``.
        They replace those of the file; None and empty lists are ignored. `models` may hold sources. Relative paths start
        from the working directory.

    Returns
    -------
    AuditConfig
        Checked, with one model per checkpoint and absolute paths.

    Raises
    ------
    InputError
        If the file cannot be read, a key is unknown, a value is wrong, or the data-set folder is missing.
    """
    place = _OPTIONS if path is None else str(path)
    stated, written = _flattened({} if path is None else _read_toml(Path(path)), place)
    flags, flags_written = _flattened(_without_unset(overrides), _OPTIONS)
    flags = _without_unset(flags)
    names = written | {key: flags_written[key] for key in flags}
    _refuse_unknown(stated, _keys(), place, registry.names())
    _refuse_unknown(flags, _keys(), _OPTIONS, registry.names())
    folder = Path.cwd() if path is None else absolute(Path(path).parent, Path.cwd())
    settings = _with_paths(stated, folder) | _with_paths(flags, Path.cwd())
    if "models" in flags:
        models, problems = _models(flags["models"], Path.cwd(), "--model", _OPTIONS)
    else:
        models, problems = _models(stated.get("models", []), folder, "[[models]] number {}", place)
    config = _validated(settings | {"models": models}, problems, place, names)
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


def _keys() -> list[str]:
    """Return the keys of a configuration."""
    return [*_Audit.model_fields, *flat_options()]


def _renamed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings of version 0.1 their names of today."""
    for former, name in FORMER_NAMES.items():
        if former in settings and name in settings:
            raise InputError(f"{former} is the old name of {name}; state one of them")
    return {FORMER_NAMES.get(key, key): value for key, value in settings.items()}


def _without_unset(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out flags that were not given."""
    return {key: value for key, value in options.items() if value is not None and value != [] and value != ()}


def _flattened(stated: Mapping[str, Any], place: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Put the options of tables such as ``[graph]`` under their flat names, beside the others, and say how each was written."""
    flat: dict[str, Any] = {}
    written: dict[str, str] = {}
    tables = {method.name: method.options.flat_names() for method in registry.METHODS}
    for key, value in _renamed(stated).items():
        if key not in tables:
            flat[key], written[key] = value, key
            continue
        names = tables[key]
        if not isinstance(value, Mapping):
            raise InputError(f"{place}: {key}: received {value!r}; expected a table [{key}] of its options")
        if value and not names:
            raise InputError(f"[{key}] of {place}: {key} has no options; remove the table")
        _refuse_unknown(value, names, f"[{key}] of {place}")
        for option, given in value.items():
            if names[option] in stated:
                states = "state" if place == _OPTIONS else "states"
                raise InputError(f"{place} {states} {names[option]} twice, alone and in [{key}]; remove one")
            flat[names[option]], written[names[option]] = given, f"[{key}] {option}"
    return flat, written


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


def _refuse_unknown(given: Iterable[str], valid: Iterable[str], place: str, tables: Sequence[str] = ()) -> None:
    """Refuse keys that are not valid, and name the nearest key or table that is."""
    names = list(valid)
    every = f" Keys are: {', '.join(names)}."
    wrong = [key for key in given if key not in names]
    if wrong:
        raise InputError(
            "\n".join(
                f"unknown key {key!r} in {place}.{did_you_mean(str(key), [*names, *tables]) or every}" for key in wrong
            )
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
            problems += [f"{label}: {problem(detail)}" for detail in error.errors()]
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


def _validated(settings: dict[str, Any], problems: list[str], place: str, names: Mapping[str, str]) -> AuditConfig:
    config = None
    try:
        if not settings["models"]:
            del settings["models"]
        config = AuditConfig(**settings)
    except ValidationError as error:
        # a model that could not be made is reported as such, not as missing
        known = [detail for detail in error.errors() if not (problems and detail["loc"] == ("models",))]
        problems = [_problem(detail, names) for detail in known] + problems
    if config is None or problems:
        start = f"{place}: " if len(problems) == 1 else f"{place} cannot be used:\n  "
        raise InputError(start + "\n  ".join(problems))
    return config


def _problem(detail: Any, names: Mapping[Any, str]) -> str:
    """Say what is wrong with a setting; where it is missing, how to state it."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing" and key in AuditConfig.model_fields:
        return f"{key}: missing; expected {AuditConfig.model_fields[key].description}"
    return problem(detail, names)


__all__ = ["FORMER_NAMES", "AuditConfig", "ModelConfig", "attribute", "flat_options", "load_config", "settings_of"]
