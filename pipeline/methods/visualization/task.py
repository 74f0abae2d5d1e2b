"""What travels to a worker that makes pictures."""

from dataclasses import dataclass

from filterscope.pipeline.methods.tasks import BlockTask


@dataclass(frozen=True)
class PictureTask(BlockTask):
    """Some units of one layer, `start` to `stop` - 1 of those that pictures are made for."""

    units: tuple[int, ...]


__all__ = ["PictureTask"]
