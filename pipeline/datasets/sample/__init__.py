"""The embedded sample: scenes drawn with exact masks, parts, landmarks, textures, materials, colours and attributes."""

from filterscope.pipeline.datasets.sample.draw import draw_sample

__all__ = ["draw_sample"]
