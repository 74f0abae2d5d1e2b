"""Theoretical receptive fields of every layer of a network, found by following the positions of its maps."""

from filterscope.pipeline.models.field import Field, box
from filterscope.pipeline.models.geometry.trace import Followed, followed, receptive_fields

__all__ = ["Field", "Followed", "box", "followed", "receptive_fields"]
