"""Activations of the tapped layers: stored, or only counted in two passes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterscope.pipeline.methods.method import StageKind
    from filterscope.pipeline.run.options import RunOptions


def forward_kinds(options: "RunOptions") -> "tuple[StageKind, ...]":
    """Return the forward pass of a run, which all that reads activations waits for."""
    if options.stored:
        from filterscope.pipeline.methods.extraction.extract import EXTRACT

        return (EXTRACT,)
    from filterscope.pipeline.methods.extraction.histograms import HISTOGRAMS_STAGE

    return (HISTOGRAMS_STAGE,)
