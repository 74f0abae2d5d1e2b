"""Options: what a person may set, each a field of the part of filterscope that reads it.

A field carries its help; flags, TOML keys, the documentation and what ``run.toml`` records follow from it. In `run.toml` and
on the command line options of all parts stand side by side, each under a flat name: ``localize.shots`` for the field
`shots` of the method `localize`, unless the field states another.
"""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
)
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from filterscope.pipeline.views.views import ViewSettings

#: Value of `activation_scale` that the first images of a run settle, and of `store` that the disk settles.
AUTO = "auto"

#: What options of a run are about, for the help of the command line.
Panel = Literal["input", "what", "speed", "advanced"]


def option(
    default: Any,
    help: str,  # noqa: A002
    *,
    flat: str | None = None,
    panel: Panel | None = None,
    **constraints: Any,
) -> Any:
    """Return a field of `Options`.

    Parameters
    ----------
    default : object
        Value where none is given.
    help : str
        What a person reads about it, without a full stop.
    flat : str, optional
        Its flat name, where that is not METHOD.FIELD.
    panel : {'input', 'what', 'speed', 'advanced'}, optional
        Where the help of the command line shows it; options of a method stand with their method.
    **constraints
        As of `pydantic.Field`: ge, le, gt, lt.
    """
    extra: JsonDict = {name: value for name, value in (("flat", flat), ("panel", panel)) if value}
    return Field(default, description=help, json_schema_extra=extra or None, **constraints)


def at_most(limit: int, why: str) -> AfterValidator:
    """Return a check that a whole number is not above a limit, which says why there is one."""

    def check(value: int) -> int:
        if value > limit:
            raise ValueError(f"at most {limit:,}: {why}")
        return value

    vars(check)["limit"] = limit  # for the help
    return AfterValidator(check)


class Options(BaseModel):
    """Options of one method; every field is made by `option`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The method whose options these are.
    method: ClassVar[str] = ""

    @classmethod
    def flat_names(cls) -> dict[str, str]:
        """Return the flat name of each field."""
        return {name: _flat(cls.method, name, field) for name, field in cls.model_fields.items()}

    @classmethod
    def of(cls, flat: Mapping[str, Any]) -> Self:
        """Take them from options of all methods by their flat names; what is absent has its default."""
        names = cls.flat_names()
        return cls(**{field: flat[name] for field, name in names.items() if name in flat})


def _flat(method: str, name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and extra.get("flat"):
        return str(extra["flat"])
    return f"{method}.{name}" if method else name


def _views(value: str) -> str:
    kind, colon, category = value.partition(":")
    if value not in ("image", "objects") and not (kind == "objects" and colon and category):
        raise ValueError("image, objects or objects:CATEGORY")
    return value


def _scale(value: Any) -> Any:
    """Accept a power of two, as a number or as ``2^20``, and `AUTO`."""
    from filterscope.operators.numerics.scale import SCALES

    if value == AUTO:
        return value
    written = re.fullmatch(r"2(?:\^|\*\*)(-?\d{1,4})", value.replace(" ", "")) if isinstance(value, str) else None
    if written:
        exponent = int(written[1])
    elif type(value) in (int, float) and 0 < value < math.inf and math.frexp(value)[0] == 0.5:
        exponent = math.frexp(value)[1] - 1
    else:
        raise ValueError("a power of two, such as 0.0625 or 2^20, or auto")
    low, high = SCALES
    if not low <= exponent <= high:
        raise ValueError(
            f"a power of two from 2^{low} to 2^{high}: activations are float32, from 2^-126 to 2^128, and float16 ends at 2^16"
        )
    return 2.0**exponent


class RunOptions(Options):
    """Options of a run as a whole."""

    methods: tuple[str, ...] = option((), "what is computed", panel="what")
    geometry: Literal["squash", "crop"] = option(
        "squash", "how images and masks are fitted to the input", panel="input"
    )
    views: Annotated[StrictStr, AfterValidator(_views)] = option(
        "image", "what enters the networks: image, objects or objects:CATEGORY", panel="input"
    )
    flips: StrictBool = option(False, "every view a second time, mirrored left to right", panel="input")
    negatives: StrictBool = option(False, "with objects: the images of the split negative too, whole", panel="input")
    store: Literal["auto", "zarr", "none"] = option(
        AUTO,
        "where activations go; none runs the networks twice and keeps only what is found, auto chooses it where activations "
        "would take more than half of the free disk",
        panel="speed",
    )
    keep_activations: StrictBool = option(
        True, "keep a layer's activations once everything is computed from them", panel="advanced"
    )
    max_rejects: StrictFloat = option(0.01, "fraction of images that may be unreadable", panel="advanced", ge=0, le=1)
    image_block: Annotated[StrictInt, at_most(4096, "the views of a block are in memory at once")] = option(
        64, "views in a piece of work of extract", panel="speed", ge=1
    )
    unit_block: Annotated[StrictInt, at_most(8192, "the exact histogram of a unit takes 512 KiB")] = option(
        128, "units in a piece of work of dissect", panel="speed", ge=1
    )
    actors: Annotated[StrictInt, at_most(10_000, "each is a process")] | None = option(
        None,
        "processes that hold a model, 0: all in this one; unset: from the machine and the images",
        panel="speed",
        ge=0,
    )
    device: Literal["auto", "cpu", "cuda"] = option("auto", "where the forward pass runs", panel="speed")
    accelerator: Annotated[StrictStr, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$|^$")] = option(
        "",
        "type of GPU, as Ray names it (A100), that all of a run must be; unset: the only one there is",
        panel="speed",
    )
    activation_scale: Annotated[float, PlainValidator(_scale), PlainSerializer(lambda value: value)] = option(
        1.0,
        "factor on activations before they become float16: a power of two, such as 0.0625 or 2^20, or auto",
        panel="advanced",
    )

    @property
    def stored(self) -> bool:
        """Whether activations are stored; `auto` is settled when a run is planned."""
        return self.store != "none"

    @property
    def view_settings(self) -> "ViewSettings":
        """Which views the run has."""
        from filterscope.pipeline.views.views import ViewSettings  # only here: options load nothing heavy

        return ViewSettings(self.views, self.flips, self.negatives)


__all__ = ["AUTO", "Options", "Panel", "RunOptions", "at_most", "option"]
