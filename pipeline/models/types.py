"""In which type of numbers a network computes."""

import torch
from torch import nn


def dtype_of(module: nn.Module) -> torch.dtype:
    """Return the type of a network's numbers: that of its first floating-point parameter, else float32."""
    types = (parameter.dtype for parameter in module.parameters() if parameter.is_floating_point())
    return next(types, torch.float32)


__all__ = ["dtype_of"]
