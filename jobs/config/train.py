"""What a training is asked to do, from flags."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from filterscope.jobs.config.problems import problem
from filterscope.jobs.config.zoo import absolute, anchored
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.training.plan import Asked
from filterscope.pipeline.training.registry import recipe

#: Trainings of one recipe in one command, and threads and workers of each.
_MOST_SEEDS, _MOST_THREADS, _MOST_WORKERS = 10_000, 256, 1024


def asked_of(
    name: str,
    data: str | Path,
    options: Mapping[str, Any] | None = None,
    *,
    seeds: int = 3,
    models: Sequence[str] = (),
    layers: str | Sequence[str] = (),
    device: str = "auto",
    threads: int = 1,
    workers: int = 1,
) -> Asked:
    """Return what is asked of a recipe, checked as far as that takes no data.

    Parameters
    ----------
    name : str
        The recipe.
    data : path
        Folder of the data set.
    options : mapping, optional
        Options of the recipe by the names of their fields.
    seeds, models, layers, device, threads, workers
        As of `Asked`; layers also as text with commas.

    Raises
    ------
    InputError
        If the recipe or an option is unknown, or a value is out of bounds.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {device}: auto, cpu or cuda")
    bounds = (("seeds", seeds, _MOST_SEEDS), ("threads", threads, _MOST_THREADS), ("workers", workers, _MOST_WORKERS))
    for flag, value, most in bounds:
        if not 1 <= value <= most:
            raise InputError(f"--{flag} {value}: from 1 to {most:,}")
    names = layers.split(",") if isinstance(layers, str) else layers
    return Asked(
        name,
        Path(absolute(data, Path.cwd())),
        _checked(name, dict(options or {})),
        seeds,
        tuple(_anchored(source) for source in models),
        tuple(layer.strip() for layer in names if layer.strip()),
        device,
        threads,
        workers,
    )


def _anchored(source: str) -> str:
    """Return a source with the path of its weights made absolute; settings of the network after it stay as they are."""
    named, semicolon, settings = source.partition(";")
    return anchored(named, Path.cwd()) + semicolon + settings


def _checked(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given of the options of a recipe, as plain values; InputError where one is unknown or out of bounds."""
    known = recipe(name).options.model_fields
    for key in given:
        if key not in known:
            raise InputError(
                f"the recipe {name} has no option {key!r}; it has {', '.join(known)}.{did_you_mean(key, known)}"
            )
    if given.get("train_on"):
        given["train_on"] = str(absolute(given["train_on"], Path.cwd()))
    try:
        checked = recipe(name).options(**given)
    except ValidationError as error:
        flags = {key: key.replace("_", "-") for key in known}
        raise InputError("; ".join(f"--{problem(detail, flags)}" for detail in error.errors())) from error
    return {key: value for key, value in checked.model_dump(mode="json").items() if key in given}


__all__ = ["asked_of"]
