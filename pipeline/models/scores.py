"""The class scores in what a network returns, and the names of its classes."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.trained import trained_names

_IMAGENET = 1000
_LOGITS = ("logits", "out")


def scores_of(output: Any) -> Tensor:
    """Return the class scores in the output of a network.

    Parameters
    ----------
    output : object
        A tensor (N, K) or (N, K, 1, 1); a tuple whose first item is one, as networks with auxiliary heads return; or a
        mapping or object with one under ``logits`` or ``out``.

    Returns
    -------
    Tensor of shape (N, K)
        What the network says before any softmax.

    Raises
    ------
    InputError
        If there are no scores of images in it, such as in a segmentation, which has scores of pixels.
    """
    found = _inner(output)
    if isinstance(found, Tensor) and found.ndim == 4 and found.shape[2:] == (1, 1):
        found = found[:, :, 0, 0]
    if isinstance(found, Tensor) and found.ndim == 2:
        return found
    raise InputError(
        f"the network returns {_described(output)}, which holds no class scores (N, classes); scores of positions can be "
        "audited as maps: name the layer that gives them"
    )


def _inner(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output
    for name in _LOGITS:
        found = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if found is not None:
            return found
    return output[0] if isinstance(output, (tuple, list)) and output else None


def _described(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor {tuple(output.shape)}"
    if isinstance(output, Mapping):
        parts = ", ".join(f"{key}: {_described(value)}" for key, value in output.items())
        return f"a {type(output).__name__} of {parts or 'nothing'}"
    if isinstance(output, (tuple, list)):
        return f"a {type(output).__name__} of {', '.join(map(_described, output)) or 'nothing'}"
    return f"a {type(output).__name__}"


def class_names(spec: ModelSpec, count: int) -> list[str]:
    """Return the names of the classes that a network scores.

    They are those of the spec's CSV; else, for trained networks, those that they were trained for, and for networks of
    torchvision, timm and the packaged one, those of the ImageNet challenge that such a head was trained on, which is a guess
    from the number of classes; else their numbers. Nothing is downloaded, and two classes may share a name: ImageNet has two
    called "crane".

    Parameters
    ----------
    spec : ModelSpec
        The network.
    count : int
        How many classes it scores.

    Raises
    ------
    InputError
        If the CSV cannot be read or names another number of classes.
    """
    if spec.classes is not None:
        names = read_classes(Path(spec.classes).expanduser())
        if len(names) != count:
            raise InputError(f"{spec.classes} names {len(names)} classes, but {spec.source} scores {count}")
        return names
    known = {
        "torchvision": _torchvision_names,
        "timm": _timm_names,
        "package": _package_names,
        "trained": trained_names,
    }.get(spec.scheme)
    return (known(spec, count) if known else None) or [str(number) for number in range(count)]


def _torchvision_names(spec: ModelSpec, count: int) -> list[str] | None:
    from filterscope.pipeline.models.vision import torchvision

    stated = (weights.meta.get("categories") for weights in torchvision.models.get_model_weights(spec.architecture))
    return next((list(names) for names in stated if names is not None and len(names) == count), None)


def _timm_names(spec: ModelSpec, count: int) -> list[str] | None:
    from filterscope.pipeline.models import vision  # noqa: F401  (timm needs torchvision)

    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset  # isort: skip

    subset = infer_imagenet_subset({"num_classes": count})
    return list(ImageNetInfo(subset).label_descriptions()) if subset else None


def _package_names(spec: ModelSpec, count: int) -> list[str] | None:
    """Return the names as torchvision has them: the packaged weights count the classes of ImageNet in the same order."""
    from filterscope.pipeline.models.vision import torchvision

    if count != _IMAGENET:
        return None
    return list(torchvision.models.EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])


def read_classes(path: Path) -> list[str]:
    """Read the names of classes from a CSV with the columns index and name, in any order of rows, header optional.

    Raises
    ------
    InputError
        If the file cannot be read, a row is not a number and a name, or the numbers do not run from 0 without gap or
        duplicate.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), start=1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the class names {path} cannot be read ({type(error).__name__}: {error})") from error
    if rows and [cell.strip().lower() for cell in rows[0][1]] == ["index", "name"]:
        rows = rows[1:]
    names: dict[int, str] = {}
    for number, row in rows:
        index, name = _class_row(row, f"{path}, row {number}")
        if index in names:
            raise InputError(f"{path}, row {number}: class {index} was named before, {names[index]!r}")
        names[index] = name
    if not names:
        raise InputError(f"{path} names no class; write one row per class: its number from 0, a comma, its name")
    missing = next((index for index in range(len(names)) if index not in names), None)
    if missing is not None:
        raise InputError(f"{path} has {len(names)} rows and none for class {missing}; classes are numbered from 0")
    return [names[index] for index in range(len(names))]


def _class_row(row: list[str], where: str) -> tuple[int, str]:
    cells = [cell.strip() for cell in row]
    if len(cells) != 2 or not (cells[0].isascii() and cells[0].isdecimal()) or not cells[1]:
        raise InputError(
            f'{where} is {",".join(row)!r}; write a number from 0, a comma and a name, such as 3,"fox, red"'
        )
    return int(cells[0]), cells[1]


__all__ = ["class_names", "read_classes", "scores_of"]
