"""The one place that imports torchvision, with or without its compiled ops; import it before timm, which needs it.

A torchvision built for another torch cannot load its ops and fails to import. Classification networks need none of
them, so that declaring the two that are looked up at import is enough.
"""

import importlib.util
from pathlib import Path

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _has_compiled_ops() -> bool:
    spec = importlib.util.find_spec("torchvision")
    folders = (spec and spec.submodule_search_locations) or ()
    for file in (file for folder in folders for file in Path(folder).glob("_C*")):
        try:
            torch.ops.load_library(file)  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError):
            continue
    return hasattr(torch.ops.torchvision, "nms")


def _declare_ops() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
    return library


# The declarations live as long as this object.
_library = None if _has_compiled_ops() else _declare_ops()

import torchvision  # type: ignore[import-untyped]  # noqa: E402

__all__ = ["torchvision"]
