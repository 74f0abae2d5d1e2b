"""Entries of ``models``, as a user writes them, turned into one entry per model.

An entry is a source, or a table with ``source`` or ``factory``; with ``checkpoints``, a glob, it stands for one model
per file.
"""

import glob
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from filterscope.pipeline.engine.errors import InputError

#: Keys of an entry that are gone after `expand`.
ENTRY_KEYS = ("checkpoints", "factory")


def expand(entry: object, folder: Path) -> list[dict[str, Any]]:
    """Turn one entry into the models that it stands for, each a mapping with ``source``.

    Parameters
    ----------
    entry : str or mapping
        A source, or a table of ``[[models]]``.
    folder : Path
        What relative paths of weights and checkpoints start from.

    Returns
    -------
    list of dict
        One entry per model, sorted by file where there are checkpoints; paths are absolute.

    Raises
    ------
    InputError
        If the entry names no network, names it twice, or its glob matches nothing.
    """
    if isinstance(entry, str):
        entry = {"source": entry}
    if not isinstance(entry, Mapping):
        raise InputError(f"received {entry!r}; expected a source, or a table with source")
    source = _source(entry)
    rest = {key: value for key, value in entry.items() if key not in (*ENTRY_KEYS, "source")}
    if isinstance(rest.get("classes"), str) and rest["classes"]:
        rest["classes"] = str(absolute(rest["classes"], folder))
    if "checkpoints" not in entry:
        return [{**rest, "source": anchored(source, folder)}]
    if "@" in source:
        raise InputError(f"source {source!r} states weights, and so does checkpoints; remove one of them")
    files = _files(entry["checkpoints"], folder)
    names = _names(files, entry.get("name"))
    return [{**rest, "source": f"{source}@{file}", "name": name} for file, name in zip(files, names, strict=True)]


def absolute(path: str | PurePath, folder: Path) -> Path:
    """Return a path as an absolute one, `~` expanded, relative ones taken from `folder`; links stay as they are."""
    from filterscope.pipeline.stores import places

    return places.absolute(path, folder)


def _source(entry: Mapping[str, Any]) -> str:
    given = [key for key in ("source", "factory") if key in entry]
    if len(given) != 1:
        state = "both source and factory" if given else "neither source nor factory"
        raise InputError(f"states {state}; state one, such as source = 'torchvision:resnet18'")
    value = entry[given[0]]
    if not isinstance(value, str):
        raise InputError(f"{given[0]}: received {value!r}; expected text")
    return value if given == ["source"] or value.startswith("factory:") else f"factory:{value}"


def anchored(source: str, folder: Path) -> str:
    """Return the source of a network with the path of its weights made absolute."""
    from filterscope.pipeline.models.spec import TRAINED, ModelSpec

    try:
        spec = ModelSpec(source)
    except InputError:
        return source  # the message is the model's own, with the source as it was written
    if spec.scheme == TRAINED:
        return f"{TRAINED}:{absolute(spec.architecture, folder)}" + (f"@{spec.weights}" if spec.weights else "")
    weights = spec.weights_path
    return source if weights is None else f"{source.partition('@')[0]}@{absolute(weights, folder)}"


def _files(pattern: object, folder: Path) -> list[Path]:
    if not isinstance(pattern, str):
        raise InputError(f"checkpoints: received {pattern!r}; expected a glob, such as 'run7/epoch-*.pth'")
    rooted = os.path.join(glob.escape(str(absolute(".", folder))), os.path.expanduser(pattern))
    files = {Path(os.path.abspath(match)) for match in glob.iglob(rooted, recursive=True) if os.path.isfile(match)}
    if not files:
        raise InputError(f"checkpoints {pattern!r} match no file in {absolute('.', folder)}")
    return sorted(files)


def _names(files: list[Path], prefix: object) -> list[str]:
    """Name every file after its stem or, where stems collide, after its folder too, then after its suffix as well."""
    stems = [file.stem for file in files]
    longer = (
        [f"{file.parent.name}-{file.stem}" for file in files],
        [f"{file.parent.name}-{file.name}" for file in files],
    )
    for labels in (stems, *longer):
        names = [_safe(f"{prefix}-{label}" if prefix else label) for label in labels]
        if len(set(names)) == len(names):
            return names
    repeated = next(name for name in names if names.count(name) > 1)
    both = " and ".join(str(file) for file, name in zip(files, names, strict=True) if name == repeated)
    raise InputError(f"checkpoints {both} would both be named {repeated!r}; rename one or list them one by one")


def _safe(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", label).strip("-.+")


__all__ = ["ENTRY_KEYS", "absolute", "anchored", "expand"]
