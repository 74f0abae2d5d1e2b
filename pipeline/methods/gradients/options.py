"""Options of gradients."""

from typing import ClassVar

from filterscope.pipeline.methods.outputs.targets import PREDICTED, TARGETS, Target
from filterscope.pipeline.run.options import Options, option


class GradientsOptions(Options):
    """Whose gradient is taken."""

    method: ClassVar[str] = "gradients"

    target: Target = option(PREDICTED, f"class whose score is differentiated: {TARGETS}")


__all__ = ["GradientsOptions"]
