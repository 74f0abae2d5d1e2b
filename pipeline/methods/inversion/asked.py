"""What a piece of work is told, and what inversions are held against."""

from dataclasses import dataclass

from filterscope.pipeline.methods.tasks import LayerTask

#: Drawn views whose activations inversions are held against, as far as they are not inverted themselves.
POOL = 48


@dataclass(frozen=True)
class InversionTask(LayerTask):
    """A layer of the trained network, or of the one with shuffled weights."""

    network: str


__all__ = ["POOL", "InversionTask"]
