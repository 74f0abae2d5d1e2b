"""A network and its settings in one text, as options name them: ``SOURCE;input_size=32;mean=0.13;std=0.31``."""

from typing import Any

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.spec import ModelSpec

_NUMBERS = {"input_size": int, "mean": float, "std": float}


def stated_spec(text: str) -> ModelSpec:
    """Return the network that a text names, with its settings.

    Raises
    ------
    ValueError
        If it is not of the form ``SOURCE[;NAME=VALUE...]``.
    """
    source, *settings = (part.strip() for part in text.split(";"))
    stated: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if name == "interpolation" and value:
            stated[name] = value
            continue
        try:
            numbers = tuple(_NUMBERS[name](item) for item in value.split(","))
        except (KeyError, ValueError):
            equals = ""
        if not equals:
            raise ValueError(f"{setting!r} is no setting of a network; write input_size=32;mean=0.13;std=0.31")
        stated[name] = numbers[0] if name == "input_size" and len(numbers) == 1 else numbers
    try:
        return ModelSpec(source, **stated)
    except InputError as error:
        raise ValueError(str(error)) from error


__all__ = ["stated_spec"]
